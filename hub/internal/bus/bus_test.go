package bus_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// publisherDir makes this binary a process that publishes until it is killed.
const publisherDir = "LIMPET_TEST_PUBLISHER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(publisherDir); dir != "" {
		publishUntilKilled(dir)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	b, err := bus.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestPublishExpectsTheLastSequenceOfItsSubject(t *testing.T) {
	b, ctx := open(t, bus.Options{}), t.Context()
	first, err := b.Publish(ctx, "results.a.1", []byte("one"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "results.a.1", []byte("again"), 0); !errors.Is(err, bus.ErrConflict) {
		t.Fatalf("second with 0: %v", err)
	}
	if _, err := b.Publish(ctx, "results.a.2", []byte("other"), 0); err != nil {
		t.Fatalf("another subject: %v", err)
	}
	second, err := b.Publish(ctx, "results.a.1", []byte("two"), first)
	if err != nil {
		t.Fatal(err)
	}
	last, err := b.Last(ctx, bus.Results, "results.a.1")
	if err != nil || last.Seq != second || string(last.Data) != "two" {
		t.Fatalf("last is %d %q, %v", last.Seq, last.Data, err)
	}
	if _, err := b.Last(ctx, bus.Results, "results.a.3"); !errors.Is(err, bus.ErrNone) {
		t.Errorf("empty subject: %v", err)
	}
	if m, err := b.At(ctx, bus.Results, first); err != nil || string(m.Data) != "one" {
		t.Errorf("message at %d: %q, %v", first, m.Data, err)
	}
	if _, err := b.At(ctx, bus.Results, 99); !errors.Is(err, bus.ErrNone) {
		t.Errorf("no message: %v", err)
	}
}

func TestTooLargeIsToldApart(t *testing.T) {
	b := open(t, bus.Options{})
	if _, err := b.Publish(t.Context(), "results.a.1", make([]byte, bus.MaxPayload+1), 0); !errors.Is(err, bus.ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	if _, err := b.Publish(t.Context(), "results.a.1", make([]byte, bus.MaxPayload-(64<<10)), 0); err != nil {
		t.Fatalf("one that fits: %v", err)
	}
}

func TestOneOfManyWritersWins(t *testing.T) {
	b := open(t, bus.Options{})
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for range 20 {
		wg.Go(func() {
			_, err := b.Publish(t.Context(), "results.a.1", []byte("x"), 0)
			results <- err
		})
	}
	wg.Wait()
	won := 0
	for range 20 {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, bus.ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
}

func TestScanReadsToTheEndAndStops(t *testing.T) {
	b, ctx := open(t, bus.Options{}), t.Context()
	for i := range 600 { // more than a reader holds at once
		if _, err := b.Append(ctx, fmt.Sprintf("results.%c.1", 'a'+i%2), strconv.AppendInt(nil, int64(i), 10)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, filter string
		from         bus.Start
		first        string
		count        int
	}{
		{"all", "", bus.Start{}, "0", 600},
		{"one agent", "results.b.*", bus.Start{}, "1", 300},
		{"from a sequence", "", bus.Start{Seq: 101}, "100", 500},
		{"from a moment to come", "", bus.Start{Time: time.Now().Add(time.Hour)}, "", 0},
		{"from behind the end", "", bus.Start{Seq: 601}, "", 0},
		{"nobody", "results.z.*", bus.Start{}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			count, first, last := 0, "", uint64(0)
			err := b.Scan(ctx, bus.Results, c.filter, c.from, func(m bus.Message) error {
				if count == 0 {
					first = string(m.Data)
				}
				if m.Seq <= last {
					t.Fatalf("%d after %d", m.Seq, last)
				}
				count, last = count+1, m.Seq
				return nil
			})
			if err != nil || count != c.count || first != c.first {
				t.Errorf("read %d from %q, %v", count, first, err)
			}
		})
	}
	enough := errors.New("enough")
	if err := b.Scan(ctx, bus.Results, "", bus.Start{}, func(bus.Message) error { return enough }); err != enough {
		t.Errorf("error of fn came back as %v", err)
	}
}

// What comes while a scan reads does not make it longer, however slow its reader is.
func TestScanEndsWhileMoreComes(t *testing.T) {
	b, ctx := open(t, bus.Options{}), t.Context()
	add := func() {
		if _, err := b.Append(ctx, "results.a.1", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	const there = 10
	for range there {
		add()
	}
	count := 0
	if err := b.Scan(ctx, bus.Results, "results.a.*", bus.Start{}, func(bus.Message) error {
		if count++; count > 2*there {
			t.Fatal("it goes on with what came meanwhile")
		}
		add()
		return nil
	}); err != nil || count != there {
		t.Errorf("read %d of %d, %v", count, there, err)
	}
}

func TestScanOfAnEmptyStreamEnds(t *testing.T) {
	b := open(t, bus.Options{})
	if err := b.Scan(t.Context(), bus.Results, "", bus.Start{}, func(bus.Message) error { return errors.New("a message") }); err != nil {
		t.Fatal(err)
	}
	if bounds, err := b.Bounds(t.Context(), bus.Results); err != nil || bounds != (bus.Bounds{First: 1, Last: 0}) {
		t.Errorf("bounds %+v, %v", bounds, err)
	}
}

func TestFollowHearsWhatComes(t *testing.T) {
	b := open(t, bus.Options{})
	if _, err := b.Append(t.Context(), "results.a.1", []byte("before")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 8)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Follow(ctx, bus.Results, "", bus.Start{Seq: 1}, func(m bus.Message) error {
			heard <- string(m.Data)
			return nil
		})
	}()
	if got := <-heard; got != "before" {
		t.Fatal(got)
	}
	if _, err := b.Append(t.Context(), "results.a.1", []byte("after")); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "after" {
		t.Fatal(got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestRetentionDropsTheOldest(t *testing.T) {
	b, ctx := open(t, bus.Options{Results: bus.Limit{Bytes: 200 << 10}}), t.Context()
	for range 10 {
		if _, err := b.Append(ctx, "results.a.1", make([]byte, 50<<10)); err != nil {
			t.Fatal(err)
		}
	}
	bounds, err := b.Bounds(ctx, bus.Results)
	if err != nil || bounds.Last != 10 || bounds.First < 6 {
		t.Fatalf("bounds %+v, %v", bounds, err)
	}
}

func TestBucketComparesAndSwaps(t *testing.T) {
	b, ctx := open(t, bus.Options{}), t.Context()
	k, err := b.Bucket(ctx, "things", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Get(ctx, "a"); !errors.Is(err, bus.ErrNone) {
		t.Fatalf("get of nothing: %v", err)
	}
	rev, err := k.Create(ctx, "a", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Create(ctx, "a", []byte("2")); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("create over a value: %v", err)
	}
	if _, err := k.Update(ctx, "a", []byte("2"), rev); err != nil {
		t.Error(err)
	}
	if _, err := k.Update(ctx, "a", []byte("3"), rev); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("update with an old revision: %v", err)
	}
	if err := k.Delete(ctx, "a"); err != nil {
		t.Error(err)
	}
	if err := k.Delete(ctx, "never"); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if _, err := k.Get(ctx, "a"); !errors.Is(err, bus.ErrNone) {
		t.Errorf("get of a deleted key: %v", err)
	}
	if _, err := k.Create(ctx, "a", []byte("4")); err != nil {
		t.Errorf("create after delete: %v", err)
	}
}

func TestWatchGivesWhatIsThereThenWhatComes(t *testing.T) {
	b, ctx := open(t, bus.Options{}), t.Context()
	k, err := b.Bucket(ctx, "things", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if _, err := k.Put(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(chan string, 8)
	if err := k.Watch(ctx, func(e bus.Entry) { seen <- fmt.Sprint(e.Key, string(e.Value), e.Deleted) }); err != nil {
		t.Fatal(err)
	}
	if got := len(seen); got != 2 {
		t.Fatalf("%d entries when Watch returned", got)
	}
	if a, b := <-seen, <-seen; a != "aafalse" || b != "bbfalse" {
		t.Errorf("%s, %s", a, b)
	}
	if _, err := k.Put(ctx, "c", []byte("c")); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if a, b := <-seen, <-seen; a != "ccfalse" || b != "atrue" {
		t.Errorf("%s, %s", a, b)
	}
}

func TestNotesReachWhoListens(t *testing.T) {
	b := open(t, bus.Options{})
	answers := make(chan bus.Note, 2)
	inbox := b.Inbox()
	stop, err := b.Listen(inbox, func(n bus.Note) { answers <- n })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := b.Tell("call.nobody", inbox, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n := <-answers; !n.Nobody {
		t.Errorf("got %+v where nobody listens", n)
	}
	hang, err := b.Listen("call.somebody", func(n bus.Note) { _ = b.Tell(n.Reply, "", append([]byte("re: "), n.Data...)) })
	if err != nil {
		t.Fatal(err)
	}
	defer hang()
	if err := b.Tell("call.somebody", inbox, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n := <-answers; n.Nobody || string(n.Data) != "re: hello" {
		t.Errorf("got %+v", n)
	}
}

func TestOneHubToADirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, bus.Options{Dir: dir})
	if b, err := bus.Open(t.Context(), bus.Options{Dir: dir}); err == nil {
		_ = b.Close()
		t.Fatal("opened twice")
	} else if !strings.Contains(err.Error(), "another hub") && !strings.Contains(err.Error(), "lock") {
		t.Error(err)
	}
}

func TestWhatIsThereSurvivesAStop(t *testing.T) {
	dir := t.TempDir()
	b, err := bus.Open(t.Context(), bus.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), "results.a.1", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if m, err := open(t, bus.Options{Dir: dir}).Last(t.Context(), bus.Results, "results.a.1"); err != nil || string(m.Data) != "kept" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

// A process publishes and is killed at any moment, several times: what it said was confirmed is there, in order, once.
func TestWhatWasConfirmedSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	confirmed := uint64(0)
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), publisherDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 50 + 37*round {
			if !lines.Scan() {
				t.Fatal("the publisher ended by itself")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		last := lines.Text()
		for lines.Scan() {
			last = lines.Text()
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		if n, err := strconv.ParseUint(last, 10, 64); err == nil {
			confirmed = n
		}
	}
	b := open(t, bus.Options{Dir: dir})
	next := uint64(1)
	err := b.Scan(t.Context(), bus.Results, "", bus.Start{}, func(m bus.Message) error {
		if got, _ := strconv.ParseUint(string(bytes.TrimRight(m.Data, ".")), 10, 64); got != next {
			return fmt.Errorf("message %d says it is %d, expected %d", m.Seq, got, next)
		}
		next++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if next-1 < confirmed {
		t.Errorf("%d there, %d were confirmed", next-1, confirmed)
	}
}

// publishUntilKilled goes on from what is there, and prints each number when it is confirmed.
func publishUntilKilled(dir string) {
	b, err := bus.Open(context.Background(), bus.Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	next, expect := uint64(1), uint64(0)
	if m, err := b.Last(context.Background(), bus.Results, "results.a.1"); err == nil {
		n, _ := strconv.ParseUint(string(bytes.TrimRight(m.Data, ".")), 10, 64)
		next, expect = n+1, m.Seq
	}
	for ; ; next++ {
		data := append(strconv.AppendUint(nil, next, 10), bytes.Repeat([]byte("."), int(next%5000))...)
		if expect, err = b.Publish(context.Background(), "results.a.1", data, expect); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(next)
	}
}

func TestAnUnwritableDirectoryIsOneClearError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Open(t.Context(), bus.Options{Dir: filepath.Join(file, "bus")}); err == nil || !strings.Contains(err.Error(), "make bus directory") {
		t.Errorf("got %v", err)
	}
}
