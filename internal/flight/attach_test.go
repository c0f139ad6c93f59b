package flight

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/coo-runtime/coo/internal/store"
)

// What is attached while a run is made is with the incomplete run, and with
// its execution once it is sealed.
func TestAttachmentsGoFromTheJournalToTheExecution(t *testing.T) {
	st := newStore(t)
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	fields := s.small()
	for _, v := range []any{map[string]string{"tree": "one"}, map[string]string{"tree": "two"}} {
		if err := r.Attach(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte(`{"tree":"one"}`), []byte(`{"tree":"two"}`)}
	same := func(got [][]byte) bool { return bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) }
	run, err := LoadOpen(st, r.Dir())
	if err != nil || !same(run.Attached) || run.Dropped != 0 {
		t.Fatalf("LoadOpen = %d bytes dropped, attached %q, %v", run.Dropped, run.Attached, err)
	}
	sealed, err := r.Seal(fields, store.Execution{Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(st, sealed.ID); err != nil {
		t.Error(err)
	}
	es, err := st.Executions()
	if err != nil {
		t.Fatal(err)
	}
	values, err := st.Attachments(es[0])
	if err != nil || !same(values) {
		b, _ := json.Marshal(es[0])
		t.Errorf("Attachments(%s) = %q, %v", b, values, err)
	}
}
