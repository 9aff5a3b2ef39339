//go:build unix

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

func itoa(n int) string { return strconv.Itoa(n) }

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// publisherSite is a publisher with keys of several people, as the runbook has it, a hub that gave boxes their first core and has nothing
// more to offer, and every state that the repository was ever in.
type publisherSite struct {
	*rig.Rig
	ctx     context.Context
	t       *testing.T
	hub     *rig.Hub
	states  []string
	request int
}

// newPublisher has keys and an empty repository in folder publisher.
func newPublisher(t *testing.T) *publisherSite {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), siteTime)
	t.Cleanup(cancel)
	s := &publisherSite{Rig: &rig.Rig{Bin: bin, Dir: t.TempDir()}, ctx: ctx, t: t}
	for _, name := range []string{"ann", "bob", "cid", "dot", "beta", "online", "online2", "thief1", "thief2"} {
		s.run("limpet-release", "key", "--no-passphrase", "--out", "keys/"+name+".key")
	}
	for _, dir := range []string{"keys/timer", "keys/timer2"} {
		s.must(os.Mkdir(s.path(dir), 0o700))
	}
	s.copyFile("keys/online.key", "keys/timer/online.key")
	s.copyFile("keys/online2.key", "keys/timer2/online2.key")
	three := people("ann", "bob", "cid")
	s.signed("timer", "ann", "bob", "beta")("init", "--platform", rig.Platform, "--role", "root=2:"+three, "--role", "targets=2:"+three, "--role", "stable=2:"+three,
		"--role", "beta=1:"+people("beta"), "--role", "snapshot=1:"+people("online"), "--role", "timestamp=1:"+people("online"))
	return s
}

// people are the public halves of keys, as --role wants them.
func people(names ...string) string {
	var list []string
	for _, n := range names {
		list = append(list, "keys/"+n+".pub")
	}
	return strings.Join(list, ",")
}

// program is one of the built programs as another version of it: an earlier build, where there is one, or the same code under another name.
func (s *publisherSite) program(name, version string) string {
	s.t.Helper()
	file := s.path(name + "-" + version)
	if built := filepath.Join(*earlier, version, name); *earlier != "" {
		if _, err := os.Stat(built); err == nil {
			return built
		}
	}
	if version == "0.1.0" {
		return filepath.Join(bin, name)
	}
	_, err := rig.Reversion(filepath.Join(bin, name), file, "0.1.0", version)
	s.must(err)
	return file
}

// starts starts the hub.
func (s *publisherSite) starts() {
	s.t.Helper()
	var err error
	s.hub, err = s.NewHub()
	s.must(err)
	s.must(s.hub.Start(s.ctx))
	s.t.Cleanup(func() { s.hub.Stop() })
}

// newPublisherSite has published 0.1.0, 0.1.1 (the boxes begin with it) and 0.1.2 (in publisher, for mirrors to show).
func newPublisherSite(t *testing.T) *publisherSite {
	t.Helper()
	s := newPublisher(t)
	s.keep()
	for _, version := range []string{"0.1.0", "0.1.1", "0.1.2"} {
		if version == "0.1.2" { // the hub has the state before, and what mirrors are to show begins with it
			s.copyDir("publisher", "release")
		}
		s.signed("timer", "ann", "cid")("publish", "--version", version, "--soak", "10s", "--plain", "--core", rig.Platform+"="+s.program("limpet-core", version))
		if version == "0.1.2" {
			break
		}
		s.keep()
		s.run("limpet-release", "refresh", "--dir", "publisher", "--keys", "keys/timer")
		s.keep()
	}
	s.copyDir("publisher", "rotated")
	s.in("rotated").signed("timer2", "bob", "cid")("rotate", "--role", "snapshot=1:"+people("online2"), "--role", "timestamp=1:"+people("online2"))
	s.starts()
	return s
}

// in is the same site with another folder as the publisher's.
func (s *publisherSite) in(dir string) *folder { return &folder{s, dir} }

// folder is where a publisher works.
type folder struct {
	*publisherSite
	dir string
}

func (s *publisherSite) signed(online string, people ...string) func(args ...string) {
	return s.in("publisher").signed(online, people...)
}

// signed runs a command that is a request, has people sign it, and publishes it with the online key.
func (f *folder) signed(online string, people ...string) func(args ...string) {
	return func(args ...string) {
		f.t.Helper()
		f.request++
		request := fmt.Sprint("request", f.request)
		f.run("limpet-release", append([]string{args[0], "--dir", f.dir, "--request", request}, args[1:]...)...)
		for _, name := range people {
			f.run("limpet-release", "sign", "--request", request, "--key", "keys/"+name+".key", "--yes")
		}
		f.run("limpet-release", "collect", "--dir", f.dir, "--keys", "keys/"+online, "--request", request)
	}
}

// keep keeps the publisher's repository as it is now.
func (s *publisherSite) keep() {
	s.t.Helper()
	name := fmt.Sprint("state", len(s.states))
	s.copyDir("publisher", name)
	s.states = append(s.states, s.path(name))
}

func (s *publisherSite) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *publisherSite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *publisherSite) run(program string, args ...string) {
	s.t.Helper()
	_, err := s.Run(s.ctx, program, args...)
	s.must(err)
}

// copyDir copies a repository. Of a target, which nobody ever writes to again, it makes another name.
func (s *publisherSite) copyDir(from, to string) {
	s.t.Helper()
	s.must(filepath.WalkDir(s.path(from), func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.path(from), name)
		if err != nil {
			return err
		}
		target := filepath.Join(s.path(to), rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case strings.HasPrefix(rel, "targets/"):
			return os.Link(name, target)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	}))
}

func (s *publisherSite) copyFile(from, to string) {
	s.t.Helper()
	data, err := os.ReadFile(s.path(from))
	s.must(err)
	s.must(os.WriteFile(s.path(to), data, 0o600))
}

// alone leaves the mirrors alone with the boxes: what the hub had to offer is gone.
func (s *publisherSite) alone() {
	s.t.Helper()
	entries, err := os.ReadDir(s.path("release"))
	s.must(err)
	for _, e := range entries {
		s.must(os.RemoveAll(filepath.Join(s.path("release"), e.Name())))
	}
}

// victim is a box that runs 0.1.1 and looks at a mirror of its own.
func (s *publisherSite) victim(name string) (*rig.Agent, *hostile) {
	s.t.Helper()
	a := s.NewAgent("box " + name)
	a.Root = strings.ReplaceAll(a.Root, " ", "-")
	s.must(a.Bootstrap(s.ctx, s.hub))
	h := newHostile(s.t, s.path("keys"))
	h.attack(s.path("publisher"), gone) // until the first attack: the box looks by itself too
	s.must(a.Configure("mirror = " + h.server.URL))
	return a, h
}

// named has a role of a root signed by one key alone.
func (h *hostile) named(root object, role, key string) {
	within(root, "keys")[h.key(key).ID()] = h.tufKey(key)
	r := within(root, "roles", role)
	r["keyids"], r["threshold"] = []any{h.key(key).ID()}, 1
}

func (h *hostile) tufKey(key string) object {
	return object{"keytype": "ed25519", "scheme": "ed25519", "keyval": object{"public": hex.EncodeToString(h.key(key).Public())}}
}

// named2 is the file name of a document.
func (h *hostile) named2(role string, doc object) string {
	return itoa(number(doc["version"])) + "." + role + ".json"
}
