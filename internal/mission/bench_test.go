package mission

import "testing"

// BenchmarkCalls is the cost of a call without a World: one branch, and many.
func BenchmarkCalls(b *testing.B) {
	for name, body := range map[string]string{
		"one":  "def main(coo):\n    for i in range(1000): coo.http('GET', 'http://h/')\n",
		"many": "def main(coo):\n    coo.parallel([lambda: coo.http('GET', 'http://h/')] * 1000)\n",
	} {
		b.Run(name, func(b *testing.B) {
			p := mission(b, body)
			for b.Loop() {
				if r := p.Run(newFake(), Options{}); r.Err != nil {
					b.Fatal(r.Err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call")
		})
	}
}

// BenchmarkGuards is the cost of guarded operations: six in each of 100,000
// turns.
func BenchmarkGuards(b *testing.B) {
	p := mission(b, `
def main(coo):
    d, l, n = {}, [], 3
    for i in range(100000):
        l.append(i)
        d[n] = l[i] + n
        n = n * 2 % 1000 + n
        n %= 997
`)
	for b.Loop() {
		if r := p.Run(newFake(), Options{}); r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}
