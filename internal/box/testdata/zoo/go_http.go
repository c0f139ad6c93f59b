// An HTTP server and eight clients in one process.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", r.URL.Path, r.RemoteAddr)
	}))
	defer server.Close()
	fmt.Println(server.URL)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			r, err := http.Get(fmt.Sprintf("%s/%d", server.URL, n))
			if err != nil {
				fmt.Println(err)
				return
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			fmt.Println(string(b), r.Header.Get("Date"))
		})
	}
	group.Wait()
}
