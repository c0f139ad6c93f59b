# Directories in the order they come: listdir, scandir, walk, glob.
import glob
import os
import pathlib

for n in range(30):
    os.makedirs(f"made/{n * 11 % 31}/deep")
print(os.listdir("before"), os.listdir("made"))
print([(e.name, e.inode(), e.stat().st_mtime_ns) for e in os.scandir("before")])
print(list(os.walk("made"))[:5])
print(glob.glob("made/*/*")[:8], list(pathlib.Path("before").iterdir()))
