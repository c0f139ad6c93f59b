# What small programs say of machine and time.
export TZ=UTC
nproc
hostname
uname -a
uptime
df .
free 2>/dev/null
ps
stat -c '%n %d %i %h %X %Y %Z %W' before/tide
find . -name 'tide' -printf '%p %i %T@ %A@\n'
du -s before
