package buffer

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// childDir in the environment makes this test binary a core that appends until it is killed.
const childDir = "LIMPET_BUFFER_TEST_DIR"

func TestMain(m *testing.M) {
	if d := os.Getenv(childDir); d != "" {
		beKilled(d)
	}
	os.Exit(m.Run())
}

// beKilled appends from several goroutines and says each accepted text on a line of its own.
func beKilled(d string) {
	b, err := Open(Options{Dir: d, SegmentBytes: 8 << 10})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	for g := range 4 {
		go func() {
			for n := 0; ; n++ {
				text := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, n)
				start := time.Now()
				check := fmt.Sprint("c", g)
				if b.Mark(check, start) != nil {
					continue
				}
				i := result(check, text)
				i.GetResult().StartNs = start.UnixNano()
				if b.Append(i) == nil {
					out.Lock()
					fmt.Println(text)
					out.Unlock()
				}
			}
		}()
	}
	select {}
}

// TestKilledCoresLoseNothing kills real processes in the middle of writing, one after the other.
func TestKilledCoresLoseNothing(t *testing.T) {
	d := t.TempDir()
	accepted, seen := map[string]bool{}, map[string]int{}
	lost, kills := 0, 0
	// A kill hits a run or falls between two, as the machine will have it: until one was hit there is nothing to see.
	for kills < 8 || lost == 0 && kills < 64 {
		for range 8 {
			for _, text := range killOne(t, d, 10+7*(kills%8)) {
				accepted[text] = true
			}
			kills++
		}
		lost += takeAll(t, d, seen)
	}
	for text := range accepted {
		if seen[text] != 1 {
			t.Errorf("%s was accepted and is there %d times", text, seen[text])
		}
	}
	if len(accepted) < 200 || lost == 0 || lost > kills*4 {
		t.Errorf("%d accepted, %d runs lost in %d kills of 4 writers", len(accepted), lost, kills)
	}
}

// takeAll drains a buffer that nobody writes, and counts the runs that were cut off.
func takeAll(t *testing.T, d string, seen map[string]int) (lost int) {
	t.Helper()
	b := open(t, Options{Dir: d})
	defer b.Close()
	for _, s := range drain(t, b) {
		if strings.HasPrefix(s, "lost ") {
			lost++
			continue
		}
		if strings.HasPrefix(s, "gap") {
			t.Errorf("%s stated, though nothing was damaged", s)
		}
		seen[s]++
	}
	return lost
}

// killOne runs a core until it has said a number of lines, kills it, and returns what it said.
func killOne(t *testing.T, d string, lines int) (said []string) {
	t.Helper()
	core := exec.Command(os.Args[0], "-test.run=^$")
	core.Env = append(os.Environ(), childDir+"="+d)
	core.Stderr = os.Stderr
	out, err := core.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := core.Start(); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewScanner(out); r.Scan(); {
		said = append(said, r.Text())
		if len(said) == lines {
			core.Process.Kill()
		}
	}
	core.Wait() // killed, as was asked
	return said
}
