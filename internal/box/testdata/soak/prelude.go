// What random agents in Go are made of; the threads follow.
package main

import (
	"bufio"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

var (
	begin   = time.Now()
	locks   [3]sync.Mutex
	queues  = [3]chan string{make(chan string, 1000), make(chan string, 1000), make(chan string, 1000)}
	events  [3]sync.WaitGroup
	once    [3]sync.Once
	counter int
)

func say(t int, what ...any) {
	os.Stdout.WriteString(fmt.Sprintln(time.Since(begin), t, what))
}

func micros(k int) time.Duration { return time.Duration(k) * time.Microsecond }

func compute(t, k int) {
	n := 0
	for i := range k * 10000 {
		n += i % 7
	}
	say(t, "computed", n)
}

func nap(t, k int) { time.Sleep(micros(k)) }

func locked(t, k int) {
	locks[k%3].Lock()
	defer locks[k%3].Unlock()
	say(t, "holds", k%3)
	time.Sleep(micros(k))
}

func put(t, k int) { queues[k%3] <- fmt.Sprint(t, "-", k) }

func get(t, k int) {
	select {
	case v := <-queues[k%3]:
		say(t, "got", v)
	case <-time.After(100 * micros(k)):
		say(t, "got nothing")
	}
}

func signal(t, k int) { once[k%3].Do(events[k%3].Done) }

func await_(t, k int) {
	done := make(chan bool)
	go func() {
		events[k%3].Wait()
		close(done)
	}()
	select {
	case <-done:
		say(t, "event")
	case <-time.After(100 * micros(k)):
		say(t, "no event")
	}
}

func dice(t, k int) { say(t, "rolled", rand.Int(), crand.Text()) }

func racy(t, k int) {
	v := counter
	if k%2 == 0 {
		runtime.Gosched()
	}
	counter = v + 1
	say(t, "counted", counter)
}

func child(t, k int) {
	out, err := exec.Command("sh", "-c", fmt.Sprintf("echo $$; sleep 0.00%d; exit %d", k%10, k%4)).Output()
	say(t, "child", string(out), err)
}

func write(t, k int) {
	f, err := os.OpenFile(fmt.Sprint("made-", k%2), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, t, time.Now().UnixNano())
	f.Close()
}

func ask(t, k int) {
	body := fmt.Sprintf(`{"model":"sample-small","stream":%t,"messages":[{"role":"user","content":"%d %d"}]}`, k%2 == 1, t, k)
	answer, err := http.Post("http://MODEL_ADDRESS/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for n := 0; lines.Scan(); n++ {
		if n%10 == 0 {
			say(t, "heard", lines.Text())
		}
	}
}

func run(threads ...func()) {
	for i := range events {
		events[i].Add(1)
	}
	var group sync.WaitGroup
	for _, f := range threads {
		group.Go(f)
	}
	group.Wait()
	say(-1, counter)
}
