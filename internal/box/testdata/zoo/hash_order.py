# The order of sets, which follows from the seed of hashes.
print(hash("tide"), hash(b"ebb"), hash(("a", 1)))
print({"neap", "spring", "ebb", "flow", "slack", "surge"})
print(frozenset("abcdefghij"))
