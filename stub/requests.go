package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// Bounds of state/request.
const (
	maxRequest  = 1 << 10 // bytes of one
	maxRequests = 64      // taken at a time; only the owner of the box can write there
)

// requests takes what local commands left in state/request, in the order of their names, and reports
// whether there was anything.
func (s *supervisor) requests() bool {
	disk := s.machine.disk()
	names, _ := disk.ReadDir(s.layout.Request()) // without the folder nothing is asked
	taken := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".request") || taken == maxRequests {
			continue
		}
		if !s.found {
			return false // it waits until there is a record to keep it
		}
		taken++
		path := filepath.Join(s.layout.Request(), name)
		data, err := fsys.Read(disk, path, maxRequest)
		if err == nil && !s.request(strings.Fields(string(data))) {
			return false // it is asked again, once the record can be written
		}
		// Taken away only now that what it asks for is in the record, asked twice is asked once, and that the status says of the look that
		// it brings: see askStub. It stays away before the next is taken: a hold that a power cut brought back alone, without the resume
		// after it, would hold for ever.
		s.publish()
		err = disk.Remove(path)
		if err == nil {
			err = disk.SyncDir(s.layout.Request())
		}
		if err != nil {
			s.log.warn("a request cannot be taken away", "file", name, "err", err.Error())
			return false
		}
	}
	return taken > 0
}

// request does what one request says; false where the record could not be written.
func (s *supervisor) request(words []string) bool {
	if len(words) == 0 {
		return true
	}
	arg := ""
	if len(words) > 1 {
		arg = words[1]
	}
	s.log.info("asked", "for", line(strings.Join(words, " ")))
	w := s.record.Owner
	switch words[0] {
	case "look":
	case "hold":
		w.HoldSet, w.Hold = true, true
	case "resume":
		w.HoldSet, w.Hold = false, false
	case "pin":
		w.PinSet, w.Pin = true, arg
	case "rollback":
		return s.rollback(arg)
	case "follow":
		w.PinSet, w.Pin = false, ""
		if arg != "" {
			w.ChannelSet, w.Channel = true, arg
		}
	case "unbar":
		if hash, ok := plain.Hash(arg); ok {
			if s.decide(boot.Unbar{Hash: hash}); s.unsaved {
				return false
			}
			s.note("unbar", boot.Core{Hash: hash}, "")
		}
	default:
		s.log.warn("a request is not understood", "word", line(words[0]))
		return true
	}
	if w != s.record.Owner {
		if s.decide(boot.Ask{Wish: w}); s.unsaved {
			return false
		}
		s.note("ask", boot.Core{}, strings.Join(words, " "))
	}
	s.lookNow()
	return true
}

// rollback goes back to the release before, which is here and needs no mirror, or pins to another one.
func (s *supervisor) rollback(version string) bool {
	p := s.record.Previous
	name := s.versions[p.Counter]
	if version = firstOf(version, name); version == "" {
		s.log.warn("the version of the release before is not known: nothing is done", "release", counter(p))
		return true
	}
	if version == name && p.Counter < s.record.Good.Counter {
		s.drop("rollback")
		a := s.decide(boot.Revert{Core: p, Version: name, Soak: s.soaks[p.Counter], Now: s.wall()})
		if s.unsaved {
			return false
		}
		if a.Do != boot.Refuse {
			s.note("revert", p, "asked")
			s.lookNow()
			s.tryTrial()
			return true
		}
	}
	w := s.record.Owner
	w.PinSet, w.Pin = true, version
	if s.decide(boot.Ask{Wish: w}); s.unsaved {
		return false
	}
	s.note("ask", boot.Core{}, "rollback "+version)
	s.lookNow()
	return true
}

// answers reports whether the stub is not at a look any more and one has ended that began since it said before. A look that was under way
// then is none: what it found may be older than what is asked for. The first that ends after the request was taken is another, and so is
// the second in any case.
func (v view) answers(before view, taken bool) bool {
	ended := v.looks - before.looks
	return (ended > 1 || ended == 1 && taken) && v.phase != "look" && v.phase != "fetch"
}

// askStub leaves a request and wakes the stub. wait is how long to wait until it has looked.
func askStub(l platforms.Layout, wait time.Duration, words ...string) (view, error) {
	before := readView(l.RunStub())
	text := strings.Join(words, " ")
	name := filepath.Join(l.Request(), strconv.FormatInt(time.Now().UnixNano(), 10)+"-"+strconv.Itoa(os.Getpid())+".request")
	if err := fsys.WriteNew(fsys.Disk{}, name, []byte(text+"\n"), 0o600); err != nil {
		return before, err
	}
	running, _ := platforms.Held(l.StubLock())
	if !running {
		return before, nil
	}
	_ = platforms.Wake(before.pid) // best effort: it finds the request by itself within a moment
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		_, err := os.Stat(name) // before the status, which says of the look before the request is gone
		if v := readView(l.RunStub()); v.answers(before, errors.Is(err, os.ErrNotExist)) {
			return v, nil
		}
	}
	return readView(l.RunStub()), nil
}
