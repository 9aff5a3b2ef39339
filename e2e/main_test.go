//go:build unix

// Package e2e tests the built programs as they are used: hubs and agents as real processes, on loopback, below folders of the tests'
// own.
package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// bin holds the programs, built once for all tests.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given { // those that may stand side by side mostly wait for time to pass
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	if bin = os.Getenv("LIMPET_E2E_BIN"); bin != "" { // built by the test that called this one
		relay()
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "limpet-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		if err := rig.Build(bin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// relay passes one port on to another where a test needs a process in another network; it does not return then.
func relay() {
	from, to, ok := strings.Cut(os.Getenv("LIMPET_E2E_RELAY"), " ")
	if !ok {
		return
	}
	l, err := net.Listen("tcp", from)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listens")
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		go func() {
			defer c.Close()
			up, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer up.Close()
			go func() { _, _ = io.Copy(up, c) }()
			_, _ = io.Copy(c, up)
		}()
	}
}

// sideBySide runs tests beside each other in the one place that the test has which calls it: all they do is wait.
func sideBySide(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	var wg sync.WaitGroup
	for name, test := range tests {
		wg.Go(func() { t.Run(name, test) })
	}
	wg.Wait()
}

// plugins is where the Monitoring Plugins lie: make deps says so where it had to unpack them.
func plugins() string {
	if dir := os.Getenv("LIMPET_TEST_PLUGINS"); dir != "" {
		return dir
	}
	return "/usr/lib/nagios/plugins"
}

// siteTime is when a test that hangs is ended.
const siteTime = 20 * time.Minute

// site is a hub with one release, and what a test needs beside it.
type site struct {
	*rig.Rig
	hub *rig.Hub
	ctx context.Context
	t   *testing.T
}

// newSite starts a hub; everything is stopped at the end of the test, and its logs shown when it failed.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOf(t, bin)
}

// newSiteOf is newSite with programs of another folder.
func newSiteOf(t *testing.T, bin string) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), siteTime)
	t.Cleanup(cancel)
	s := &site{Rig: &rig.Rig{Bin: bin, Dir: t.TempDir()}, ctx: ctx, t: t}
	t.Cleanup(s.logs)
	s.must(s.Publish(ctx, "0.1.0", filepath.Join(bin, "limpet-core")))
	hub, err := s.NewHub()
	s.must(err)
	s.hub = hub
	s.must(hub.Start(ctx))
	t.Cleanup(func() { hub.Stop() })
	return s
}

// agent makes an agent with these lines in its box file and starts it.
func (s *site) agent(name string, config ...string) *rig.Agent {
	s.t.Helper()
	a := s.NewAgent(name)
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Configure(config...))
	s.must(a.Start())
	s.t.Cleanup(func() { a.Stop() })
	return a
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// await waits for something to become true.
func (s *site) await(what string, done func() bool) {
	s.t.Helper()
	s.must(rig.AwaitPatiently(s.ctx, what, func(context.Context) (bool, error) { return done(), nil }))
}

// get reads one resource of the hub's API; ok is false while it is not there.
func get[T any](s *site, path string) (v T, ok bool) {
	err := s.hub.Get(s.ctx, path, &v)
	return v, err == nil
}

// stopped does something while a process stands still. What ended it meanwhile needs no going on.
func (s *site) stopped(pid int, do func()) {
	s.t.Helper()
	s.must(syscall.Kill(pid, syscall.SIGSTOP))
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	do()
}

func (s *site) logs() {
	if !s.t.Failed() {
		return
	}
	files, _ := filepath.Glob(s.Dir + "/*.log")
	more, _ := filepath.Glob(s.Dir + "/*/log/*.log")
	for _, f := range append(files, more...) {
		text, _ := os.ReadFile(f)
		s.t.Logf("== %s\n%s", f, text[max(0, len(text)-6000):])
	}
}

// status reads `limpet status --json` into v; false while there is none.
func (s *site) status(a *rig.Agent, v any) bool {
	out, _ := s.Run(s.ctx, "limpet", "status", "--json", "--root", a.Root)
	return json.Unmarshal([]byte(out), v) == nil
}
