package agent

import (
	"runtime"
	"testing"
)

func TestBreadthFollowsTheLoad(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Log("one processor: nothing to widen to")
	}
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	var b breadth
	b.narrow()
	want := func(n int, when string) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != n {
			t.Errorf("%s: %d processors, want %d", when, got, n)
		}
	}
	want(1, "at rest")
	var ends []func()
	for range narrowTo {
		ends = append(ends, b.begin())
	}
	want(1, "a few runs")
	ends = append(ends, b.begin())
	want(runtime.NumCPU(), "one more")
	for _, end := range ends {
		end()
	}
	b.look()
	want(runtime.NumCPU(), "the first look after: there were many")
	b.look()
	want(1, "the second look: there were none")
}
