# A shell: pids, random numbers, background jobs, a pipeline, times.
echo $$ $PPID
date +%s.%N
for i in 1 2 3 4; do (echo "job $i $(cat /proc/sys/kernel/random/uuid)") & done
wait
seq 200 | shuf | head -n 5 | tr '\n' ' '
mktemp -u
TZ=UTC ls -goU --time-style=full-iso before
(sleep 0.02; echo slept) | while read -r line; do echo "$line"; done
od -An -N8 -tx1 /dev/urandom
