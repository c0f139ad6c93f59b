# A shell pipeline with parallel parts, temporary files and random order.
set -e
seq 1 400 | shuf >numbers
t=$(mktemp)
sort -n --parallel=4 numbers | awk '{ s += $1; print $1, s }' >"$t"
tail -n 1 "$t"
rm "$t"
split -l 50 numbers part-
ls -U part-* | xargs -P 4 -I{} sh -c 'sort {} | sha256sum | cut -c 1-8; echo {} $$' | tee log | wc -l
cat log
tar -cf - part-* | gzip | wc -c
(cat part-aa & cat part-ab & wait) | head -n 20
find . -name 'part-*' -newer numbers | sort -R | head -n 3
date +%s%N
