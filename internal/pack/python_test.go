package pack_test

import (
	"os/exec"
	"strings"
	"testing"
)

// flips is a program that flips bits of the demo pack in one process of the
// independent verifier: at offsets first, first+step, …, one bit or all of them.
// It prints what is not found, or found without the file being named.
const flips = `
import sys
sys.path.insert(0, sys.argv[1])
import pack
data = open(sys.argv[2], "rb").read()
step, every = int(sys.argv[3]), sys.argv[4] == "all"
whole = pack.unzip(data)
owners, at, directory = [], 0, data.index(b"PK\1\2")
for name, content in whole.items():
    owners += [name] * (30 + len(name) + len(content))
n = 0
for i in range(0, len(data), step):
    for bit in range(8) if every else [i // step % 8]:
        b = bytearray(data)
        b[i] ^= 1 << bit
        n += 1
        try:
            pack.verify(bytes(b))
            print("not found: byte", i, "bit", bit)
        except pack.Damage as e:
            if i < len(owners) and owners[i] not in str(e):
                print("not named: byte", i, "bit", bit, "of", owners[i], ":", e)
            elif i >= len(owners) and not any(w in str(e) for w in ("directory", "end record", "header", "name", "order")):
                print("not named: byte", i, "bit", bit, "of the directory:", e)
print("flips:", n)
`

// The independent verifier accepts the demo pack, finds every bit of it that
// is flipped, and names the file.
func TestPythonFindsEveryFlip(t *testing.T) {
	step, bits := "29", "one"
	if full() {
		step, bits = "1", "all"
	}
	out, err := exec.Command("python3", "-B", "-c", flips, "../../vectors", demoPack, step, bits).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], "flips: ") {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(lines[0])
	if out, err = exec.Command("python3", "-B", "../../vectors/verify.py", demoPack).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ok ") {
		t.Errorf("verify.py: %v: %s", err, out)
	}
}

// verifyPython returns what the independent verifier says of packs, in order:
// "" when it accepts one, else the damage.
func verifyPython(t *testing.T, packs map[string][]byte, names []string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		writeFile(t, dir+"/"+name, packs[name])
	}
	const program = `
import sys
sys.path.insert(0, sys.argv[1])
import pack
for name in sys.argv[3:]:
    try:
        pack.verify(open(sys.argv[2] + "/" + name, "rb").read())
        print()
    except pack.Damage as e:
        print(ascii(str(e)))
`
	out, err := exec.Command("python3", append([]string{"-B", "-c", program, "../../vectors", dir}, names...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
