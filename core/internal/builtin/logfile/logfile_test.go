package logfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// box is a log file, and a check that follows it over restarts of the agent.
type box struct {
	t     *testing.T
	log   string
	state string
	args  []string
}

func newBox(t *testing.T, args ...string) *box {
	dir := t.TempDir()
	b := &box{t: t, log: filepath.Join(dir, "app.log"), state: filepath.Join(dir, "state")}
	b.args = append([]string{"-F", b.log, "-q", "ERROR"}, args...)
	return b
}

func (b *box) write(text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) rename(to string) {
	b.t.Helper()
	if err := os.Rename(b.log, filepath.Join(filepath.Dir(b.log), to)); err != nil {
		b.t.Fatal(err)
	}
}

// run runs the check in an agent that has just started.
func (b *box) run() check.Result {
	b.t.Helper()
	return New(b.state).Run(b.t.Context(), b.args)
}

// expect runs the check and holds how many lines it found.
func (b *box) expect(lines int) check.Result {
	b.t.Helper()
	r := b.run()
	if len(r.Perfdata) != 1 || r.Perfdata[0].Value != float64(lines) || lines > 0 != (r.State == check.Critical) {
		b.t.Errorf("%d lines expected: %+v", lines, r)
	}
	return r
}

func TestEachLineIsFoundOnce(t *testing.T) {
	b := newBox(t)
	b.write("ERROR long ago\n")
	if r := b.expect(0); !strings.Contains(r.Text, "is followed from now on") {
		t.Errorf("%+v", r)
	}
	b.expect(0)
	b.write("fine\nERROR one\nERROR tw")
	if r := b.expect(1); !strings.HasSuffix(r.Text, "1 of 2 new lines of "+b.log+" found: ERROR one") || r.Long != "ERROR one" {
		t.Errorf("%+v", r)
	}
	b.write("o\r\n") // a line counts when it is whole
	if r := b.expect(1); r.Long != "ERROR two" {
		t.Errorf("%+v", r)
	}
	b.expect(0)
}

func TestFromStart(t *testing.T) {
	b := newBox(t, "--from-start")
	b.write("ERROR long ago\n")
	b.expect(1)
	b.expect(0)
}

func TestRotation(t *testing.T) {
	for _, name := range []string{"app.log.1", "app.log-20261126", "app-2026-11-26.log", "app.log.old", "app.1.log"} {
		b := newBox(t)
		b.write("x\n")
		b.expect(0)
		b.write("ERROR at its end\n")
		b.rename(name)
		b.write("ERROR in the new one\nERROR again\n")
		if r := b.expect(3); len(r.Problems) != 0 || !strings.HasPrefix(r.Long, "ERROR at its end\n") {
			t.Errorf("%s: %+v", name, r)
		}
		b.expect(0)
	}
}

func TestRotatedMoreThanOnce(t *testing.T) {
	b := newBox(t)
	b.write("x\n")
	b.expect(0)
	b.write("ERROR 1\n")
	b.rename("app.log.2")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(filepath.Dir(b.log), "app.log.2"), old, old); err != nil {
		t.Fatal(err)
	}
	b.write("ERROR 2\n")
	b.rename("app.log.1")
	b.write("ERROR 3\n")
	if r := b.expect(3); r.Long != "ERROR 1\nERROR 2\nERROR 3" {
		t.Errorf("%+v", r)
	}
	b.expect(0)
}

func TestRotatedAndCompressed(t *testing.T) {
	b := newBox(t)
	b.write("x\n")
	b.expect(0)
	b.rename("app.log.1.gz")
	b.write("ERROR in the new one\n")
	if r := b.expect(1); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "may be missed") {
		t.Errorf("%+v", r)
	}
	b.expect(0)
}

func TestRotatedAndNotThereYet(t *testing.T) {
	b := newBox(t)
	b.write("x\n")
	b.expect(0)
	b.write("ERROR at its end\n")
	b.rename("app.log.1")
	if r := b.run(); r.State != check.Unknown || !strings.Contains(r.Text, "app.log: ") {
		t.Errorf("%+v", r)
	}
	b.write("")
	b.expect(1)
}

func TestTruncation(t *testing.T) {
	for _, after := range []string{"ERROR new\n", "ERROR new\n" + strings.Repeat("padding\n", 100)} { // shorter than before; as long, but another beginning
		b := newBox(t)
		b.write("the first line of the old file\nanother\n")
		b.expect(0)
		if err := os.Truncate(b.log, 0); err != nil {
			t.Fatal(err)
		}
		b.write(after)
		if r := b.expect(1); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "truncated") {
			t.Errorf("%+v", r)
		}
		b.expect(0)
	}
}

func TestLongLines(t *testing.T) {
	b := newBox(t, "--from-start")
	b.write("ERROR " + strings.Repeat("x", 3*maxLine) + " ERROR\nshort\nERROR\n" + strings.Repeat("y", maxLine) + "\nERROR\n")
	b.expect(3)
	b.expect(0)
}

// More than a run may look at is left to the next, also in the middle of a rotation.
func TestLimitOfOneRun(t *testing.T) {
	b := newBox(t)
	b.write("x\n")
	b.expect(0)
	for i := range 10 {
		b.write(fmt.Sprintf("ERROR %d\n", i))
	}
	b.rename("app.log.1")
	b.write("ERROR new\n")
	o, err := parse(b.args)
	if err != nil {
		t.Fatal(err)
	}
	st, known, err := (&store{dir: b.state}).load(key(b.args))
	if err != nil || !known {
		t.Fatal(known, err)
	}
	var found []string
	for range 20 {
		s := &scan{options: o, left: 20}
		if st, err = s.follow(t.Context(), st, false); err != nil {
			t.Fatal(err)
		}
		found = append(found, s.samples...)
	}
	if got := strings.Join(found, ","); got != "ERROR 0,ERROR 1,ERROR 2,ERROR 3,ERROR 4,ERROR 5,ERROR 6,ERROR 7,ERROR 8,ERROR 9,ERROR new" {
		t.Error(got)
	}
}

func TestLimitsAndExclusion(t *testing.T) {
	b := newBox(t, "--from-start", "-w", "1", "-c", "3", "-x", "harmless", "-i")
	b.write("error 1\nERROR harmless\nError 2\n")
	if r := b.run(); r.State != check.Warning || r.Perfdata[0].Value != 2 {
		t.Errorf("%+v", r)
	}
}

func TestSticky(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, "--from-start", "--sticky", "10m")
		b.write("ERROR one\n")
		b.expect(1)
		time.Sleep(9 * time.Minute)
		if r := b.run(); r.State != check.Critical || !strings.Contains(r.Text, "9m0s ago: ") || !strings.Contains(r.Text, "ERROR one") {
			t.Errorf("%+v", r)
		}
		time.Sleep(2 * time.Minute)
		b.expect(0)
	})
}

func TestWhatIsNoLog(t *testing.T) {
	b := newBox(t, "--missing-ok")
	if r := b.run(); r.State != check.OK {
		t.Errorf("missing: %+v", r)
	}
	b.args = []string{"-F", filepath.Dir(b.log), "-q", "x"}
	if r := b.run(); r.State != check.Unknown || !strings.Contains(r.Text, "no regular file") {
		t.Errorf("a folder: %+v", r)
	}
}

func TestDamagedStateBeginsAnew(t *testing.T) {
	b := newBox(t)
	b.write("x\n")
	b.expect(0)
	if err := os.WriteFile(filepath.Join(b.state, key(b.args)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := b.expect(0); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "begins anew") {
		t.Errorf("%+v", r)
	}
	b.write("ERROR one\n")
	b.expect(1)
}

// Where the state cannot be written the agent knows it all the same, and says so.
func TestStateThatCannotBeWritten(t *testing.T) {
	b := newBox(t, "--from-start")
	b.write("ERROR one\n")
	if err := os.WriteFile(b.state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := New(b.state)
	for i, want := range []float64{1, 0} {
		r := c.Run(t.Context(), b.args)
		if r.Perfdata[0].Value != want || len(r.Problems) == 0 {
			t.Errorf("run %d: %+v", i, r)
		}
	}
}

func TestDeadline(t *testing.T) {
	b := newBox(t)
	b.write("x\n")
	b.expect(0)
	b.write("ERROR one\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	New(b.state).Run(ctx, b.args)
	b.expect(1) // nothing was lost
}
