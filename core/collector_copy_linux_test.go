package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/platforms"
)

// copyOf is another box whose root is a copy of this one's, as cp -a makes it while everything runs.
func (b *box) copyOf() *box {
	b.t.Helper()
	root := filepath.Join(b.t.TempDir(), "copy")
	var out []byte
	b.eventually("a copy during which no file went", func() bool {
		err := os.RemoveAll(root)
		if err == nil {
			out, err = exec.Command("cp", "-a", b.layout.Root, root).CombinedOutput()
		}
		if err != nil {
			b.t.Logf("%v\n%s", err, out)
		}
		return err == nil
	})
	layout, err := platforms.At(root)
	if err != nil {
		b.t.Fatal(err)
	}
	return &box{t: b.t, hub: b.hub, layout: layout, pulse: b.pulse, words: b.words}
}

// A root that was copied while it ran, and started beside the original: the copy has the notes of the original's collectors, whose processes live on this
// very machine. It leaves them alone, whatever it does: starts, goes on without a hub, wants them no longer, stops.
func TestACopyLeavesTheOriginalsCollectorsAlone(t *testing.T) {
	b := newBox(t, "1")
	// Something of its own that a second one would fight over, by a path that is in its configuration.
	script := `echo $$ >>"{{.Dir}}/pids"; exec sleep 1000`
	b.hub.push(command(1, script, nil))
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	good := filepath.Join(b.layout.Collector(), "own", "good")
	b.eventually("it has run well", func() bool { return exists(good) })
	twin := b.copyOf()
	other := twin.start()
	other.heard("ready")
	own := twin.until("the copy has a process of its own", func(c agent.CollectorStatus) bool { return running(c) })
	if own.PID == first.PID {
		t.Errorf("the copy took process %d for its own", own.PID)
	}
	twin.stop(other)
	b.gone(own.PID)
	if c := b.until("the original's runs", running); c.PID != first.PID || c.Restarts != 0 || !lives(first.PID) {
		t.Errorf("the original's process was %d, it is %+v", first.PID, c)
	}
	pids, err := os.ReadFile(filepath.Join(b.layout.Collector(), "own", "data", "pids"))
	if err != nil || strings.Count(string(pids), "\n") != 1 {
		t.Errorf("something else was started in the original's folder: %q, %v", pids, err)
	}
	b.stop(cur)
}

// A copy whose core ended without a word is the same: what its next core finds noted is the original's.
func TestACopyThatWantsNoCollectorsEndsNone(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(command(1, "exec sleep 1000", nil))
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	twin := b.copyOf()
	if err := os.RemoveAll(filepath.Join(twin.layout.Desired(), "good")); err != nil {
		t.Fatal(err)
	}
	box, err := os.OpenFile(twin.layout.BoxFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	box.WriteString("never = collector:*\n")
	box.Close()
	other := twin.start()
	other.heard("ready")
	twin.eventually("the copied folder goes", func() bool { return !exists(filepath.Join(twin.layout.Collector(), "own")) })
	other.kill()
	if c := b.until("the original's runs", running); c.PID != first.PID || !lives(first.PID) {
		t.Errorf("the original's process was %d, it is %+v", first.PID, c)
	}
	// The original's core is killed, and the next one has its collector again: the note is its own.
	cur.kill()
	cur = b.start()
	cur.heard("ready")
	if c := b.until("it is taken over", running); c.PID != first.PID {
		t.Errorf("was process %d, is %+v", first.PID, c)
	}
	syscall.Kill(first.PID, syscall.SIGKILL)
	b.until("it is started again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID })
	b.stop(cur)
}

// A copy that is started at the original's own path, in mounts of its own (a chroot, a container that sees the processes of its host), comes to the same cgroups by their name.
func TestACopyAtTheSamePathLeavesTheOriginalsCollectorsAlone(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(command(1, "exec sleep 1000", nil))
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	twin := b.copyOf()
	twin.seen = b.layout.Root
	twin.below = []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		twin.below = append(twin.below, "--user", "--map-root-user")
	}
	twin.below = append(twin.below, "sh", "-c", `mount --bind "$0" "$1" && shift && exec "$@"`, twin.layout.Root, b.layout.Root)
	other := twin.start()
	other.heard("ready")
	own := twin.until("the copy has a process of its own", running)
	other.kill() // its next core finds what it left, beside the original's
	other = twin.start()
	other.heard("ready")
	if c := twin.until("the copy's is taken over", running); c.PID != own.PID || c.PID == first.PID {
		t.Errorf("the copy's process was %d, it is %+v; the original's is %d", own.PID, c, first.PID)
	}
	twin.stop(other)
	b.gone(own.PID)
	if c := b.until("the original's runs", running); c.PID != first.PID || c.Restarts != 0 || !lives(first.PID) {
		t.Errorf("the original's process was %d, it is %+v", first.PID, c)
	}
	b.stop(cur)
}
