//go:build unix

package e2e

import (
	"context"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// stableRole signs for the boxes of this platform.
var stableRole = "stable-" + rig.Platform

// apart is `make test-attacks`: a box for each class of attacks, which shows that each by itself leaves a box able to update.
var apart = flag.Bool("apart", false, "a box for each class of attacks, instead of one for all")

// attack is one thing that a mirror does, with the keys that are stolen for it, to a box that runs 0.1.1 while 0.1.2 is out.
type attack struct {
	name string
	do   func(h *hostile)
	why  string // what the box then says
}

// class is a kind of attack. Those on the core itself come after all others: their metadata is sound, and a box that has it once does not ask
// for it again.
type class struct {
	name    string
	attacks []attack
	late    []attack
}

// evil lists a core of the thief's in the channel's newest document.
func evil(h *hostile) object {
	doc := next(h.document(stableRole))
	name, content := h.target("0.1.2")
	content = append([]byte("#!/bin/sh\ntouch /tmp/limpet-was-robbed\n"), content...)
	listed := within(doc, "targets", strings.TrimPrefix(filepath.Dir(name), "targets/")+"/limpet-core")
	listed["length"] = len(content)
	within(listed)["hashes"] = object{"sha256": sumOf(content)}
	h.show(filepath.Dir(name)+"/"+sumOf(content)+".limpet-core", content)
	return doc
}

// gone answers nobody who asks what is new.
func gone(h *hostile) {
	h.serve("timestamp.json", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

// classes are the attacks of the TUF specification, section 1.5.2, by the names that they have there.
var classes = []class{
	{"arbitrary software", []attack{
		{"a stranger signs the channel, the online key is stolen", func(h *hostile) {
			doc := evil(h)
			h.put(stableRole, doc, "thief1", "thief2")
			h.relist(map[string]object{stableRole: doc})
		}, "not signed by enough keys"},
		{"nobody signs the channel", func(h *hostile) {
			doc := evil(h)
			h.put(stableRole, doc)
			h.relist(map[string]object{stableRole: doc})
		}, "not signed by enough keys"},
		{"the key of beta and that of the timer sign for stable", func(h *hostile) {
			doc := evil(h)
			h.put(stableRole, doc, "beta", "online")
			h.relist(map[string]object{stableRole: doc})
		}, "not signed by enough keys"},
		{"changed under its signatures", func(h *hostile) {
			name := h.fileOf(stableRole)
			h.show(name, []byte(strings.Replace(string(h.file(name)), `"0.1.2"`, `"0.1.9"`, 1)))
		}, "mix and match|longer"},
	}, []attack{
		{"other bytes of the same length", func(h *hostile) {
			name, content := h.target("0.1.2")
			changed := append([]byte(nil), content...)
			changed[len(changed)/2] ^= 1
			h.show(name, changed)
		}, "0.1.2 cannot be brought"},
		{"a web page in its place", func(h *hostile) {
			name, _ := h.target("0.1.2")
			h.show(name, []byte("<html>sign in to the hotel"))
		}, "0.1.2 cannot be brought"},
	}},
	{"key compromise below the threshold", []attack{
		{"one key of two for the channel", func(h *hostile) {
			doc := evil(h)
			h.put(stableRole, doc, "ann")
			h.relist(map[string]object{stableRole: doc})
		}, "not signed by enough keys"},
		{"one key of two, twice", func(h *hostile) {
			doc := evil(h)
			one, two := h.signature(doc, "ann"), h.signature(doc, "ann")
			two["keyid"] = h.key("bob").ID()
			h.write(stableRole, doc, []any{one, two})
			h.relist(map[string]object{stableRole: doc})
		}, "not signed by enough keys"},
		{"one key of root names another publisher", func(h *hostile) {
			root := next(h.document("root"))
			h.named(root, "root", "thief1")
			h.put("root", root, "ann", "thief1")
		}, "not signed by enough keys"},
		{"one key of targets hands the channel to the thief", func(h *hostile) {
			doc := next(h.document("targets"))
			delegations := within(doc, "delegations")
			within(delegations, "keys")[h.key("thief1").ID()] = h.tufKey("thief1")
			for _, d := range delegations["roles"].([]any) {
				if d.(object)["name"] == stableRole {
					d.(object)["keyids"], d.(object)["threshold"] = []any{h.key("thief1").ID()}, 1
				}
			}
			h.put("targets", doc, "ann")
			channel := evil(h)
			h.put(stableRole, channel, "thief1")
			h.relist(map[string]object{"targets": doc, stableRole: channel})
		}, "not signed by enough keys"},
	}, nil},
	{"rollback", []attack{
		{"the timestamp of before", func(h *hostile) {
			doc := h.document("timestamp")
			doc["version"] = 1
			h.put("timestamp", doc, "online")
		}, "rollback"},
		{"the channel of before, the online key is stolen", func(h *hostile) {
			doc := h.document(stableRole)
			old := "1." + stableRole + ".json"
			doc["version"] = 1
			h.show(old, h.file(old))
			h.relist(map[string]object{stableRole: doc})
		}, "rollback"},
		{"a channel that is gone, the online key is stolen", func(h *hostile) {
			snapshot := next(h.document("snapshot"))
			delete(within(snapshot, "meta"), stableRole+".json")
			h.put("snapshot", snapshot, "online")
			timestamp := next(h.document("timestamp"))
			within(timestamp, "meta")["snapshot.json"] = h.pin(h.named2("snapshot", snapshot), snapshot)
			h.put("timestamp", timestamp, "online")
		}, "rollback"},
	}, nil},
	{"freeze", []attack{
		{"a timestamp that has expired", func(h *hostile) {
			doc := next(h.document("timestamp"))
			doc["expires"], doc["issued"] = time.Now().Add(-time.Second).UTC().Format(time.RFC3339), time.Now().Add(-8*24*time.Hour).UTC().Format(time.RFC3339)
			h.put("timestamp", doc, "online")
		}, "expired: since"},
		{"an expired channel", func(h *hostile) {
			doc := next(h.document(stableRole))
			doc["expires"] = time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
			h.put(stableRole, doc, "ann", "bob")
			h.relist(map[string]object{stableRole: doc})
		}, "expired: since"},
		{"nothing at all", func(h *hostile) {
			h.serve("timestamp.json", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
		}, "missing: timestamp.json"},
		{"busy for ever", gone, "503"},
	}, nil},
	{"endless data", []attack{
		{"a timestamp without end", func(h *hostile) { h.serve("timestamp.json", endless) }, "longer than it may be"},
		{"a snapshot without end", func(h *hostile) { h.serve(h.fileOf("snapshot"), endless) }, "longer than it may be"},
		{"a next root without end", func(h *hostile) { h.serve("2.root.json", endless) }, "longer than it may be"},
	}, []attack{
		{"a core without end", func(h *hostile) {
			name, _ := h.target("0.1.2")
			h.serve(name, endless)
		}, "0.1.2 cannot be brought"},
	}},
	{"mix and match", []attack{
		{"the channel of before under the new name", func(h *hostile) {
			h.show(h.fileOf(stableRole), h.file("2."+stableRole+".json"))
		}, "mix and match"},
		{"the snapshot of before under the new name", func(h *hostile) {
			snapshot := h.newest("snapshot")
			h.show(h.fileOf("snapshot"), h.file(strings.Replace(h.fileOf("snapshot"), itoa(snapshot), itoa(snapshot-1), 1)))
		}, "mix and match"},
		{"a snapshot of another version than the timestamp says", func(h *hostile) {
			doc := next(h.document("timestamp"))
			meta := within(doc, "meta", "snapshot.json")
			meta["version"] = number(meta["version"]) + 1
			h.show(itoa(number(meta["version"]))+".snapshot.json", h.file(h.fileOf("snapshot")))
			h.put("timestamp", doc, "online")
		}, "mix and match"},
	}, nil},
	{"wrong software", []attack{
		{"beta's list under the name of stable's", func(h *hostile) {
			h.show(h.fileOf(stableRole), h.file(h.fileOf("beta-"+rig.Platform)))
		}, "mix and match"},
		{"the snapshot as timestamp", func(h *hostile) { h.show("timestamp.json", h.file(h.fileOf("snapshot"))) }, "wrong role"},
	}, []attack{
		{"the release before under the new name", func(h *hostile) {
			name, _ := h.target("0.1.2")
			_, old := h.target("0.1.1")
			h.show(name, old)
		}, "0.1.2 cannot be brought"},
	}},
}

// TestAttacks: boxes made of the built programs look at mirrors that do all this, over HTTP. Never is anything installed, never
// does anything end, and what the publisher signed is installed afterwards.
func TestAttacks(t *testing.T) {
	t.Parallel()
	s := newPublisherSite(t)
	together := class{name: "each class after the other"}
	var boxes []class
	for _, c := range classes {
		boxes = append(boxes, c)
		together.attacks, together.late = append(together.attacks, c.attacks...), append(together.late, c.late...)
	}
	if !*apart {
		boxes = []class{together}
	}
	plays := map[string]func(on *watch){}
	for _, c := range boxes {
		plays[c.name] = func(on *watch) {
			for _, attack := range append(c.attacks, c.late...) {
				on.h.attack(s.path("publisher"), attack.do)
				on.attacked(attack.name, attack.why)
			}
			on.updatesAfterwards(s.path("publisher"))
		}
	}
	plays["replay of every earlier state"] = func(on *watch) {
		for _, state := range s.states {
			on.h.shows(state)
			on.attacked(filepath.Base(state), "rollback|newest")
		}
		on.updatesAfterwards(s.path("publisher"))
	}
	plays["fast forward"] = func(on *watch) {
		on.h.attack(s.path("publisher"), func(h *hostile) {
			snapshot := h.document("snapshot")
			snapshot["version"] = 1 << 30
			h.put("snapshot", snapshot, "online")
			timestamp := h.document("timestamp")
			timestamp["version"] = 1 << 30
			within(timestamp, "meta")["snapshot.json"] = h.pin(h.named2("snapshot", snapshot), snapshot)
			// The list is the one that the box knows: with these keys the thief can take nothing up, and push versions.
			core, _ := h.target("0.1.2")
			h.serve(core, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
			h.put("timestamp", timestamp, "online")
		})
		on.attacked("versions of 2^30", "0.1.2 cannot be brought")
		// What the publisher has is older than that to the box, until other keys sign (docs/release-runbook.md).
		on.h.shows(s.path("publisher"))
		on.attacked("the honest repository", "rollback")
		on.updatesAfterwards(s.path("rotated"))
	}
	plays["slow retrieval"] = func(on *watch) {
		on.h.attack(s.path("publisher"), func(h *hostile) {
			h.serve("timestamp.json", func(w http.ResponseWriter, r *http.Request) {
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for {
					select {
					case <-r.Context().Done():
						return
					case <-tick.C:
						_, _ = w.Write([]byte(" "))
						w.(http.Flusher).Flush()
					}
				}
			})
		})
		begin := time.Now()
		on.attacked("a byte a second", "deadline exceeded")
		if took := time.Since(begin); took > 3*time.Minute {
			on.t.Errorf("a look took %v", took)
		}
		on.updatesAfterwards(s.path("publisher"))
	}
	tests := map[string]func(t *testing.T){}
	for name, play := range plays {
		a, h := s.victim(name)
		tests[name] = func(t *testing.T) { play(s.watching(t, a, h)) }
	}
	s.alone() // the boxes start now
	sideBySide(t, tests)
}

// watch is a box under attack.
type watch struct {
	*publisherSite
	t     *testing.T
	box   *rig.Agent
	h     *hostile
	stub  int
	core  int
	count int
}

func (s *publisherSite) watching(t *testing.T, a *rig.Agent, h *hostile) *watch {
	t.Helper()
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Stop() })
	w := &watch{publisherSite: s, t: t, box: a, h: h}
	w.await("its core", func() bool { return a.CorePID() > 1 && a.Record().Good.Counter == 2 })
	w.stub, w.core = a.Stub().Cmd.Process.Pid, a.CorePID()
	return w
}

func (w *watch) await(what string, done func() bool) {
	w.t.Helper()
	if err := rig.AwaitPatiently(w.ctx, what, func(context.Context) (bool, error) { return done(), nil }); err != nil {
		log, _ := os.ReadFile(filepath.Join(w.box.Root, "log", "limpet.log"))
		w.t.Fatalf("%v\n%s", err, log)
	}
}

// attacked has the box look, and holds it against what must not happen.
func (w *watch) attacked(name, why string) {
	w.t.Helper()
	said, err := w.Run(w.ctx, "limpet", "look", "--root", w.box.Root, "--wait")
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
	if !regexp.MustCompile(why).MatchString(said) {
		w.t.Errorf("%s: the box says %q, want %s", name, said, why)
	}
	r := w.box.Record()
	if r.Good.Counter != 2 || !r.Trial.None() {
		w.t.Errorf("%s: good %d, trial %d", name, r.Good.Counter, r.Trial.Counter)
	}
	if cores, _ := filepath.Glob(filepath.Join(w.box.Root, "ver", "*")); len(cores) != 1 {
		w.t.Errorf("%s: placed %v", name, cores)
	}
	select {
	case <-w.box.Stub().Done():
		w.t.Fatalf("%s: the stub ended", name)
	default:
	}
	if pid := w.box.CorePID(); pid != w.core {
		log, _ := os.ReadFile(filepath.Join(w.box.Root, "log", "limpet.log"))
		w.t.Errorf("%s: core %d runs, before %d\n%s", name, pid, w.core, log)
	}
	w.count++
	w.t.Logf("%s: %s", name, strings.TrimSpace(said))
}

// updatesAfterwards shows the box what was signed by those who may.
func (w *watch) updatesAfterwards(dir string) {
	w.t.Helper()
	if w.count == 0 {
		w.t.Fatal("nothing was attacked")
	}
	w.h.shows(dir)
	if _, err := w.Run(w.ctx, "limpet", "look", "--root", w.box.Root, "--wait"); err != nil {
		w.t.Error(err)
	}
	w.await("the update after the attacks", func() bool { return w.box.Record().Good.Counter == 3 })
}
