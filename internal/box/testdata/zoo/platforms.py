# What Python says of the machine.
import os
import platform
import shutil
import socket
import sys

print(platform.uname(), platform.libc_ver(), socket.gethostname())
print(os.cpu_count(), os.sched_getaffinity(0), os.getloadavg(), sys.getrecursionlimit())
print(shutil.disk_usage("."), os.get_terminal_size.__name__, socket.has_ipv6)
