# Names of temporary files and directories.
import os
import tempfile

with tempfile.NamedTemporaryFile() as f, tempfile.TemporaryDirectory() as d:
    print(f.name, d, tempfile.mktemp(dir="."), tempfile.gettempdir())
fd, name = tempfile.mkstemp(dir=".")
os.write(fd, b"made")
print(os.path.basename(name), os.fstat(fd).st_mtime, os.fstat(fd).st_ino)
print(sorted(n for n in os.listdir(tempfile.gettempdir()) if n.startswith("tmp")))
