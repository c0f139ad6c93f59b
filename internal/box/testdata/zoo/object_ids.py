# Addresses of objects, as id and repr show them, and sets ordered by them.
class Tide:
    pass


objects = [Tide() for _ in range(20)]
print([id(o) for o in objects], id(print), id(None))
print(objects[0], Tide, Tide.__init__, lambda: 0)
print([objects.index(o) for o in set(objects)])
print(hash(objects[3]), hash(Tide))
