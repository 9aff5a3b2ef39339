package buffer

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// `make bench ONLY=offline` names the buffer of an agent that has stopped, and a file for what is put into it: a line for each result, its check and start.
var (
	dayIn   = flag.String("day", "", "put a day's results into this buffer, in which an agent has left some")
	dayList = flag.String("day-list", "", "write down there what was put in")
)

// dayEvery is the interval of the default checks.
const dayEvery = 10 * time.Second

// TestDay fills a buffer with the results of a day without a hub. Where nobody measures, one of its own with those of an hour.
func TestDay(t *testing.T) {
	dir, list, span := *dayIn, *dayList, 24*time.Hour
	if dir == "" {
		dir, span = t.TempDir(), time.Hour
		list = filepath.Join(t.TempDir(), "list")
		b := open(t, Options{Dir: dir})
		for n := range 3 {
			for _, check := range []string{"disk", "load"} {
				if err := b.Append(measuring(check, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.Close()
	}
	owner := ownerOf(t, dir)
	found := gathered(t, Options{Dir: dir, Owner: owner})
	put := fillDay(t, Options{Dir: dir, Owner: owner}, list, found, span)
	if want := len(found) * int(span/dayEvery); put != want || want == 0 {
		t.Fatalf("%d results put in, %d are due", put, want)
	}
}

// ownerOf is the agent whose results lie in a buffer.
func ownerOf(t *testing.T, dir string) uint64 {
	t.Helper()
	cursors, _ := filepath.Glob(filepath.Join(dir, "*", cursorName))
	if len(cursors) == 0 {
		t.Fatal("an agent has left nothing in " + dir)
	}
	data, err := os.ReadFile(cursors[0])
	c, ok := parseCursor(data)
	if err != nil || !ok {
		t.Fatalf("%s does not read: %v", cursors[0], err)
	}
	return c.owner
}

// gathered are the results that an agent left in its buffer, by check and in order.
func gathered(t *testing.T, o Options) map[string][]*wire.Result {
	t.Helper()
	b := open(t, o)
	defer b.Close()
	found := map[string][]*wire.Result{}
	for _, g := range b.Generations() {
		v, err := b.view(g.GetEpoch())
		if err != nil {
			t.Fatal(err)
		}
		for i := range v.segments {
			v.read(i, v.from, func(r record) bool {
				var item wire.Item
				if err := wire.Unmarshal(r.raw, &item); err != nil {
					t.Fatal(err)
				}
				if x := item.GetResult(); x != nil {
					found[x.GetCheck()] = append(found[x.GetCheck()], x)
				}
				return true
			})
		}
	}
	return found
}

// fillDay has every check run as it did, again and again up to now, as a core does it that has no hub: a mark, then the result.
func fillDay(t *testing.T, o Options, list string, found map[string][]*wire.Result, span time.Duration) (put int) {
	t.Helper()
	file, err := os.Create(list)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	end := time.Now().Truncate(time.Millisecond)
	var clock atomic.Int64
	clock.Store(end.Add(-span).UnixNano())
	o.Now = func() time.Time { return time.Unix(0, clock.Load()) }
	b := open(t, o)
	before := b.Stats()
	waiting := make(chan struct{}, 4096)
	for n := range int(span / dayEvery) {
		due := end.Add(-span + time.Duration(n)*dayEvery)
		clock.Store(due.UnixNano())
		for check, seen := range found {
			r := moved(seen[n%len(seen)], due)
			start := time.Unix(0, r.StartNs)
			if err := b.Mark(check, start); err != nil {
				t.Fatal(err)
			}
			waiting <- struct{}{}
			b.AppendThen(&wire.Item{Kind: &wire.Item_Result{Result: r}}, func(err error) {
				if err != nil {
					t.Error(err)
				}
				<-waiting
			})
			fmt.Fprintln(out, check, start.UnixMilli())
			put++
		}
	}
	for range cap(waiting) {
		waiting <- struct{}{}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	s := b.Stats()
	b.Close()
	fmt.Printf("day: %d: %d: %d\n", put, s.Bytes-before.Bytes, len(found))
	return put
}

// moved is a result as it had come had it been due at another time.
func moved(r *wire.Result, due time.Time) *wire.Result {
	m := wire.Clone(r)
	by := due.UnixNano() - r.DueNs
	if r.DueNs == 0 {
		by = due.UnixNano() - r.StartNs
	}
	m.DueNs, m.StartNs, m.MonoNs = due.UnixNano(), r.StartNs+by, r.MonoNs+by
	return m
}
