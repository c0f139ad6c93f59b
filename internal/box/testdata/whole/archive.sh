# An archive holds times and owners, and two threads compress it.
for i in $(seq 1 40); do seq "$i" $((i * 300)) >"part$i"; done
tar c part* | xz -T2 | sha256sum
tar c part* | gzip -9 | sha256sum
