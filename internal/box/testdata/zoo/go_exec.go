// Child processes of Go: which ends first, and limits of time.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

func main() {
	var group sync.WaitGroup
	for n := range 6 {
		group.Go(func() {
			out, err := exec.Command("sh", "-c", fmt.Sprintf("sleep 0.00%d; echo %d $$", n*3%5, n)).Output()
			fmt.Printf("%s%v\n", out, err)
		})
	}
	group.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sleep", "100")
	fmt.Println(cmd.Run(), cmd.ProcessState.Pid(), os.Getpid())
}
