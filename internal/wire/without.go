package wire

// Without returns the headers and the canonical JSON body of a request to url
// without what the rules of a user leave out: what two requests must have in
// common to be the same under these rules. A body that is nil stays so.
func (r *Rules) Without(url string, headers [][2]string, body []byte) ([][2]string, []byte) {
	var kept [][2]string
	for _, h := range headers {
		if r.omitsOn(h[0], url) == nil {
			kept = append(kept, h)
		}
	}
	var pointers []*PointerRule
	for i := range r.Pointers {
		if hostIs(url, r.Pointers[i].Host) {
			pointers = append(pointers, &r.Pointers[i])
		}
	}
	return kept, cutPointers(body, pointers, func(_ *PointerRule, value []byte) bool { return !holdsProtected(value) })
}
