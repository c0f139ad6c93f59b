# UUIDs of all versions that are not made from a name alone.
import uuid

print(uuid.uuid1(), uuid.uuid1())
print(uuid.uuid4(), uuid.uuid4())
print(uuid.getnode())
