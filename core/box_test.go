//go:build unix

package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
)

// coreFile is the real core, built once for all tests here.
var coreFile string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "limpet-core")
	if err != nil {
		panic(err)
	}
	coreFile = filepath.Join(dir, "limpet-core")
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", coreFile, ".")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the core: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const settle = 2 * time.Minute // what a loaded machine may take for something that is done at once; a wait ends when what it is for comes

// box is one agent's root, whose stub is the test.
type box struct {
	t      *testing.T
	hub    *scriptedHub
	layout platforms.Layout
	pulse  *pulse
	swaps  []time.Time // when each drain was said
	words  string      // file to which every run writes "b NAME" at its start and "e NAME" at its end
	nonces int

	below []string // what starts its cores: unshare and its like, which become them
	seen  string   // the root that they see it at, "" = its own
}

// newBox has two plugins: check_fast, and check_slow, which takes as many seconds as it is told by its file.
func newBox(t *testing.T, slow string) *box {
	t.Helper()
	layout, err := platforms.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := layout.MakeFolders(); err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, hub: newScriptedHub(t), layout: layout, pulse: takePulse(t), words: filepath.Join(layout.Root, "words")}
	t.Cleanup(func() {
		log, _ := os.ReadFile(layout.CoreLog())
		for _, word := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if at := strings.Index(string(log), word); at >= 0 {
				t.Errorf("a core said:\n%s", log[at:min(len(log), at+4000)])
			}
		}
	})
	plugins := filepath.Join(layout.Root, "plugins")
	write := func(path, text string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\necho \"b $LIMPET_CHECK\" >>" + b.words + "\n%secho \"e $LIMPET_CHECK\" >>" + b.words + "\necho \"OK - done\"\n"
	write(filepath.Join(plugins, "check_fast"), fmt.Sprintf(script, ""), 0o755)
	write(filepath.Join(plugins, "check_slow"), fmt.Sprintf(script, "sleep "+slow+"\n"), 0o755)
	write(layout.BoxFile(), "hub = "+b.hub.server.URL+"\nplugin_dirs = "+plugins+"\n", 0o644)
	write(layout.Token(), b.hub.token.String(), 0o600)
	return b
}

// load is so many fast checks and so many slow ones, each every second.
func (b *box) load(revision uint64, fast, slow int) *wire.Desired {
	d := &wire.Desired{Revision: revision, NoDefaults: true}
	add := func(name, plugin string) {
		d.Checks = append(d.Checks, &wire.Check{Name: name, Plugin: plugin, EveryMs: 1000, TimeoutMs: 20000})
	}
	for i := range fast {
		add(fmt.Sprintf("fast-%03d", i), "check_fast")
	}
	for i := range slow {
		add(fmt.Sprintf("slow-%03d", i), "check_slow")
	}
	return d
}

// core is one core process as its stub sees it.
type core struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin *os.File
	log   string
	ended chan struct{}
	err   error // of Wait, after ended

	mu    sync.Mutex // guards lines
	lines []string
	came  chan struct{} // holds one: lines grew
}

// start starts a core, with what is given behind its root.
func (b *box) start(args ...string) *core {
	b.t.Helper()
	c := &core{t: b.t, ended: make(chan struct{}), came: make(chan struct{}, 1)}
	in, toCore, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	fromCore, out, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	log, err := os.OpenFile(b.layout.CoreLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		b.t.Fatal(err)
	}
	c.stdin, c.log = toCore, b.layout.CoreLog()
	line := append(slices.Clone(b.below), coreFile, "run", "--root", cmp.Or(b.seen, b.layout.Root))
	c.cmd = exec.Command(line[0], append(line[1:], args...)...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	in.Close()
	out.Close()
	log.Close()
	go c.read(fromCore)
	go func() { c.err = c.cmd.Wait(); close(c.ended) }()
	b.t.Cleanup(func() {
		toCore.Close()
		c.cmd.Process.Kill()
		<-c.ended
	})
	return c
}

func (c *core) read(from *os.File) {
	defer from.Close()
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		c.mu.Lock()
		c.lines = append(c.lines, lines.Text())
		c.mu.Unlock()
		select {
		case c.came <- struct{}{}:
		default:
		}
	}
}

func (c *core) say(line string) {
	if _, err := c.stdin.WriteString(line + "\n"); err != nil {
		c.t.Errorf("say %q: %v", line, err)
	}
}

// heard waits for a line that begins with the word, and returns the fields behind it.
func (c *core) heard(word string) []string {
	c.t.Helper()
	deadline := time.After(settle)
	for {
		c.mu.Lock()
		for i, line := range c.lines {
			if f := strings.Fields(line); f[0] == word {
				c.lines = c.lines[i+1:]
				c.mu.Unlock()
				return f[1:]
			}
		}
		c.mu.Unlock()
		select {
		case <-c.came:
		case <-deadline:
			c.fatal("the core did not say " + word)
		}
	}
}

// exited waits for the end of the process and gives its exit code.
func (c *core) exited() int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(settle):
		c.fatal("the core did not end")
	}
	return c.cmd.ProcessState.ExitCode()
}

// kill is kill -9.
func (c *core) kill() {
	c.cmd.Process.Kill()
	<-c.ended
}

func (c *core) fatal(why string) {
	c.t.Helper()
	log, _ := os.ReadFile(c.log)
	c.t.Fatalf("%s; the cores' log:\n%s", why, log[max(0, len(log)-8000):])
}

// trial starts a successor beside good and returns when it is ready.
func (b *box) trial(good *core) *core {
	b.t.Helper()
	b.nonces++
	nonce := fmt.Sprintf("nonce-%d", b.nonces)
	if good != nil {
		good.say("successor " + nonce)
	}
	c := b.start("--standby", nonce)
	c.heard("ready")
	return c
}

// swap goes through a whole swap up to the activation, as the stub does.
func (b *box) swap(old *core) *core {
	b.t.Helper()
	next := b.trial(old)
	b.activate(old, next)
	return next
}

// activate has a trial take over.
func (b *box) activate(old, next *core) {
	b.t.Helper()
	b.swaps = append(b.swaps, time.Now())
	old.say("drain 100")
	file := old.heard("handover")
	next.say("activate " + file[0])
}

// eventually waits for something that a real process brings about.
func (b *box) eventually(what string, is func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(settle)
	defer deadline.Stop()
	for pause := 20 * time.Millisecond; !is(); pause = min(pause*5/4, 250*time.Millisecond) { // what is looked at may be a process of its own
		select {
		case <-time.After(pause):
		case <-deadline.C:
			log, _ := os.ReadFile(b.layout.CoreLog())
			b.t.Fatalf("not within %s: %s; the cores' log:\n%s", settle, what, log[max(0, len(log)-8000):])
		}
	}
}

// began and done count what the runs wrote, by check.
func (b *box) ran() (began, done map[string]int) {
	began, done = map[string]int{}, map[string]int{}
	data, err := os.ReadFile(b.words)
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		kind, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if kind == "b" {
			began[name]++
		} else {
			done[name]++
		}
	}
	return began, done
}

func total(m map[string]int) (n int) {
	for _, x := range m {
		n += x
	}
	return n
}

// handedIn waits until the hub has the result of every run that ended. A core that stops gives its last results a second: what it could not bring over then, the next one
// does, which has no revision here.
func (b *box) handedIn() {
	b.t.Helper()
	b.eventually("the hub has heard the cores to their end", func() bool {
		b.hub.mu.Lock()
		defer b.hub.mu.Unlock()
		return len(b.hub.open) == 0
	})
	whole := func() bool {
		results, lost, _, _ := b.hub.items()
		_, done := b.ran()
		for name, n := range done {
			if len(results[name])+lost[name] < n {
				return false
			}
		}
		return true
	}
	if whole() {
		return
	}
	if err := os.RemoveAll(filepath.Join(b.layout.Desired(), "good")); err != nil {
		b.t.Fatal(err)
	}
	b.hub.push(&wire.Desired{Revision: 1000, NoDefaults: true})
	c := b.start()
	c.heard("ready")
	b.eventually("what the last core could not bring over", whole)
	c.say("stop service 60")
	c.exited()
}

// more waits until so many more runs have begun.
func (b *box) more(n int) {
	b.t.Helper()
	began, _ := b.ran()
	want := total(began) + n
	b.eventually(fmt.Sprintf("%d runs", want), func() bool { began, _ := b.ran(); return total(began) >= want })
}
