# Jobs of a shell that end in their own time, what it knows of itself, and a shuffle.
f() { sleep 0.$((RANDOM % 10)); echo "$1 $BASHPID $RANDOM $(date +%s.%N)"; }
for i in 1 2 3 4 5; do f $i & done
while wait -n; do echo done $?; done 2>/dev/null
mktemp; echo $$ $SECONDS $EPOCHREALTIME; ps -e -o pid,comm 2>/dev/null | head -20; seq 1 1000 | sort -R | head -3; ls -la --time-style=full-iso
