# Times and names in archives and logs.
import gzip
import io
import logging
import os
import tarfile
import threading
import time
import zipfile

os.environ["TZ"] = "UTC"
time.tzset()


def nobody(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


data = io.BytesIO()
with zipfile.ZipFile(data, "w") as z:
    z.writestr("made", "made")
    z.write("before/tide")
print(data.getvalue().hex())
print(gzip.compress(b"tide").hex())
with tarfile.open("made.tar", "w") as t:
    t.add("before", filter=nobody)
print([(m.name, m.mtime) for m in tarfile.open("made.tar")])
logging.basicConfig(format="%(created)f %(relativeCreated)f %(process)d %(thread)d %(message)s", level=logging.INFO)
logging.info("logged")
threading.Thread(target=logging.info, args=("from a thread",)).start()
