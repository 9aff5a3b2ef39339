package main

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// updating is a box with a repository it looks at, in a folder or over HTTP.
type updating struct {
	*box
	repo *repo.Repo
	dir  string
	now  func() time.Time // the publisher's clock
}

// newUpdating is a box that runs release 1, with limpet-fetch and a mirror.
func newUpdating(t *testing.T, mirror ...string) *updating {
	t.Helper()
	return newUpdatingOn(t, t.TempDir(), time.Now, mirror...)
}

// newUpdatingOn is one below a folder, with a publisher's clock.
func newUpdatingOn(t *testing.T, root string, now func() time.Time, mirror ...string) *updating {
	t.Helper()
	b := emptyBoxIn(t, root)
	keys := map[string]signing.Key{}
	u := &updating{box: b, dir: t.TempDir(), now: now}
	var err error
	u.repo, err = repo.Create(fsys.Disk{}, u.dir, func(role string) (signing.Key, error) {
		if _, ok := keys[role]; !ok {
			key, err := signing.Generate(true)
			if err != nil {
				return key, err
			}
			keys[role] = key
		}
		return keys[role], nil
	}, true)
	b.must(err)
	u.release(1)
	b.good = b.place(1, coreBytes(t, "1"))
	u.refresh()
	if len(mirror) == 0 {
		mirror = []string{u.dir}
	}
	b.must(os.WriteFile(b.BoxFile(), []byte("mirror = "+strings.Join(mirror, ", ")+"\n"), 0o644))
	b.fetches()
	return u
}

// refresh stores the metadata as a look would.
func (u *updating) refresh() {
	u.t.Helper()
	source := func(name string, max int64) ([]byte, error) { return u.repo.Read(name, max) }
	_, after, err := tuf.Refresh(tuf.Stored{"root.json": u.repo.Root()}, source, u.now(), tuf.CoreDir("stable", platform))
	u.must(err)
	for name, data := range after {
		u.must(os.WriteFile(filepath.Join(u.TrustCore(), name), data, 0o644))
	}
}

// release publishes a release with the shortest soak there is.
func (u *updating) release(counter uint64) {
	u.t.Helper()
	_, err := u.repo.AddRelease(repo.Release{
		Channel: "stable", Version: fmt.Sprintf("9.9.%d", counter), Counter: counter, Floor: 1, Soak: 3 * time.Second, Contract: 1,
	}, map[string][]byte{platform: coreBytes(u.t, strconv.FormatUint(counter, 10))})
	u.must(err)
	_, err = u.repo.Commit(u.now())
	u.must(err)
}

// modeOf says how a release behaves.
func (u *updating) modeOf(counter uint64, mode string) {
	u.t.Helper()
	u.behaves(fmt.Sprintf("mode-%d", counter), mode)
}

func (u *updating) good1() uint64 {
	r, _ := u.record()
	return r.Good.Counter
}

func (u *updating) past() string {
	text, _ := os.ReadFile(u.History())
	return string(text)
}

// trialStarts counts the starts of a trial.
func (u *updating) trialStarts(counter uint64) int {
	return strings.Count(u.past(), fmt.Sprintf(" start release=%d ", counter))
}

var stamp = regexp.MustCompile(`(?m)^(schedules|hands over) (\d+).* at=(\d+)$`)

// stamps are the moments, in Unix milliseconds, at which releases began to schedule and handed over.
func (u *updating) stamps(what string, counter uint64) []int64 {
	var list []int64
	for _, m := range stamp.FindAllStringSubmatch(u.heard(), -1) {
		if m[1] == what && m[2] == strconv.FormatUint(counter, 10) {
			at, _ := strconv.ParseInt(m[3], 10, 64)
			list = append(list, at)
		}
	}
	return list
}

func TestGoodUpdateCommits(t *testing.T) {
	t.Parallel()
	u := newUpdating(t)
	cmd := u.start()
	u.untilRunning()
	u.until("good schedules", func() bool { return len(u.stamps("schedules", 1)) == 1 })
	u.until("good has settled", func() bool { return time.Since(time.UnixMilli(u.stamps("schedules", 1)[0])) > 6*time.Second })
	last := uint64(1)
	soonest(t, "nothing schedules", 250*time.Millisecond, func() (gap time.Duration) {
		soonest(t, "a look to the new schedule, but for five looks", 3*time.Second, func() (took time.Duration) {
			last++
			took, gap = u.updates(last)
			return took
		})
		return gap
	})
	r, _ := u.record()
	if r.Previous.Counter != last-1 || !r.Trial.None() || r.Committed == 0 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(u.heard(), fmt.Sprintf("activated %d with %q", last, fmt.Sprint(last-1))) || !strings.Contains(u.heard(), "line successor ") {
		t.Errorf("heard %s", u.heard())
	}
	u.until("the newest", func() bool {
		out, _, _ := u.limpet("why")
		return out == "this box runs the newest release of channel stable\n"
	})
	if v := u.view(); v.core.counter != last || v.core.role != "good" || v.restarts != 0 {
		t.Errorf("%+v", v)
	}
	u.until("it is small again", func() bool { return resident(t, cmd.Process.Pid) <= maxResident })
	t.Logf("VmRSS %d kB", resident(t, cmd.Process.Pid))
}

// updates has the box take over the next release. It returns for how long nothing scheduled, and how long it took from the look to the new
// schedule, but for the time of five looks: so many processes it takes, whose pace is the machine's.
func (u *updating) updates(counter uint64) (took, gap time.Duration) {
	u.t.Helper()
	begun := time.Now()
	u.limpet("look", "--wait")
	look := time.Since(begun)
	u.release(counter)
	asked := time.Now()
	if _, text, code := u.limpet("look"); code != 0 {
		u.t.Fatal(text)
	}
	u.until("commit", func() bool { return u.good1() == counter })
	began, handed := u.stamps("schedules", counter), u.stamps("hands over", counter-1)
	took, gap = time.UnixMilli(began[0]).Sub(asked), time.Hour
	if len(handed) > 0 { // it has five seconds for it
		gap = time.Duration(began[0]-handed[0]) * time.Millisecond
	}
	u.t.Logf("look to schedule %v, a look alone %v, gap %v", took, look, gap)
	return took - 5*look, gap
}

// TestBadReleasesGoBack: each is rejected after three verdicts, and never starts again.
func TestBadReleasesGoBack(t *testing.T) {
	for mode, reason := range map[string]boot.Reason{"dies": boot.Exited, "dies-active": boot.Exited, "breaks": boot.Regressed, "floods": boot.Hung} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			u := newUpdating(t)
			u.modeOf(2, mode)
			u.start()
			u.untilRunning()
			u.release(2)
			u.limpet("look")
			u.until("rejection", func() bool { r, _ := u.record(); return r.Barred[0].Counter == 2 })
			r, _ := u.record()
			if r.Good != u.good || r.Barred[0].Reason != reason || !r.Trial.None() {
				t.Errorf("%+v", r)
			}
			if n := u.trialStarts(2); n != 3 {
				t.Errorf("%d starts", n)
			}
			u.until("good schedules", func() bool { v := u.view(); return v.core.counter == 1 && v.state == running })
			u.limpet("look", "--wait")
			if out, _, _ := u.limpet("why"); !strings.Contains(out, "is barred; `limpet unbar") {
				t.Errorf("why: %s", out)
			}
			if r, _ := u.record(); !r.Trial.None() || u.trialStarts(2) != 3 {
				t.Errorf("it starts again: %+v", r)
			}
			if mode != "breaks" {
				if text, err := os.ReadFile(u.Rejected(hexOf(r.Barred[0].Hash))); err != nil || !strings.Contains(string(text), "this goes to the log") {
					t.Errorf("log %q %v", text, err)
				}
			}
			if mode == "dies" && len(u.stamps("schedules", 1)) != 1 {
				t.Errorf("good noticed: %v", u.stamps("schedules", 1))
			}
			if mode == "dies-active" { // after one of its deaths at least, on a busy machine
				least := int64(math.MaxInt64)
				for _, at := range u.stamps("schedules", 2) {
					for _, again := range u.stamps("schedules", 1) {
						if again >= at {
							least = min(least, again-at)
						}
					}
				}
				if least > 2000 {
					t.Errorf("good schedules again after %d ms", least)
				}
			}
			u.release(3)
			u.limpet("look")
			u.until("the next one is taken", func() bool { return u.good1() == 3 })
		})
	}
}

// TestHangingReleasesGoBack: whenever a release hangs, the verdict says so, it is not committed, and good schedules again within 25 s. One
// that hangs before its loop has spoken never gets the schedule.
func TestHangingReleasesGoBack(t *testing.T) {
	for mode, takesOver := range map[string]bool{"hangs": false, "mute": false, "hangs-active": true, "hangs-soon": true, "idles": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			u := newUpdating(t)
			u.modeOf(2, mode)
			u.start()
			u.untilRunning()
			u.release(2)
			u.limpet("look")
			u.until("a verdict", func() bool { r, _ := u.record(); return r.Tries == 2 }) // history tells of it a moment before
			if r, _ := u.record(); r.Good != u.good || !strings.Contains(u.past(), "reason=hang") {
				t.Errorf("%+v\n%s", r, u.past())
			}
			if mode == "hangs" || mode == "mute" { // good never noticed
				if n := len(u.stamps("hands over", 1)); n != 0 || len(u.stamps("schedules", 1)) != 1 {
					t.Errorf("good was told to drain %d times", n)
				}
				return
			}
			n := 0
			soonest(t, "good schedules again", 25*time.Second, func() time.Duration { // after each hang of this release
				n++
				u.until("good schedules again", func() bool { return len(u.stamps("schedules", 1)) > n })
				good, since := u.stamps("schedules", 1), u.stamps("hands over", 1)
				if takesOver {
					since = u.stamps("schedules", 2)
				}
				took := time.Hour // good may have been too busy to hand over in its five seconds
				for _, at := range since {
					if at >= good[n-1] && at <= good[n] {
						took = time.Duration(good[n]-at) * time.Millisecond
					}
				}
				return took
			})
		})
	}
}

// TestDownloadsCannotBeWritten: nothing is brought, what runs goes on, and once they can be, it is caught up.
func TestDownloadsCannotBeWritten(t *testing.T) {
	t.Parallel()
	u := newUpdating(t)
	u.start()
	first := u.untilRunning()
	u.limpet("look", "--wait") // and none is under way
	u.must(os.RemoveAll(u.Part()))
	u.must(os.Symlink("/dev/null", u.Part())) // no folder: every file below it fails
	u.release(2)
	u.limpet("look", "--wait")
	if v := u.view(); v.word == "" || v.core.pid != first.core.pid {
		t.Errorf("%+v", v)
	}
	u.must(os.Remove(u.Part()))
	u.must(os.Mkdir(u.Part(), 0o755))
	u.limpet("look")
	u.until("commit", func() bool { return u.good1() == 2 })
}

func TestHoldPinRollback(t *testing.T) {
	t.Parallel()
	u := newUpdating(t)
	u.start()
	u.untilRunning()
	u.limpet("hold")
	u.release(2)
	if out, _, _ := u.limpet("look", "--wait"); out != "updates of this box are held\n" {
		t.Errorf("held: %s", out)
	}
	if r, _ := u.record(); !r.Trial.None() || !r.Owner.Hold {
		t.Errorf("%+v", r)
	}
	u.limpet("resume")
	u.until("commit", func() bool { return u.good1() == 2 })
	if _, text, code := u.limpet("rollback"); code != 0 {
		t.Fatal(text)
	}
	u.until("back", func() bool { return u.good1() == 1 })
	r, _ := u.record()
	if r.Owner.Pin != "9.9.1" || r.Barred[0] != (boot.Bar{}) {
		t.Errorf("%+v", r)
	}
	if out, _, _ := u.limpet("look", "--wait"); out != "this box is pinned to 9.9.1\n" {
		t.Errorf("pinned: %s", out)
	}
	u.limpet("follow")
	u.until("forward", func() bool { return u.good1() == 2 })
}

// TestKilledStub kills the stub at moments of a swap: something runs again, nothing is held against the
// release, and it gets there.
func TestKilledStub(t *testing.T) {
	for _, moment := range []string{"line successor", "schedules 2"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			u := newUpdating(t)
			cmd := u.start()
			u.untilRunning()
			u.release(2)
			u.limpet("look")
			u.until(moment, func() bool { return strings.Contains(u.heard(), moment) })
			stop(t, cmd, syscall.SIGKILL)
			u.start()
			u.until("commit", func() bool { return u.good1() == 2 })
			if r, _ := u.record(); r.Barred[0] != (boot.Bar{}) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(u.past(), " fail ") {
				t.Errorf("a verdict fell:\n%s", u.past())
			}
		})
	}
}

// TestHolderOfAnEarlierStubIsEnded: a core that does not end with its stub loses state/lock.
func TestHolderOfAnEarlierStubIsEnded(t *testing.T) {
	t.Parallel()
	u := newUpdating(t)
	u.mode("clings")
	cmd := u.start()
	first := u.untilRunning()
	u.until("it schedules", func() bool { return len(u.stamps("schedules", 1)) == 1 })
	stop(t, cmd, syscall.SIGKILL)
	u.start()
	u.until("another schedules", func() bool { return len(u.stamps("schedules", 1)) == 2 })
	u.until("the old core has ended", func() bool { // a lock is free a moment before that
		state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", first.core.pid))
		return len(state) == 0 || strings.Contains(string(state), ") Z ")
	})
	u.mode("")
}

func TestBadMirrors(t *testing.T) {
	foreign := newUpdating(t)
	foreign.release(2)
	for name, serve := range map[string]func(u *updating, w http.ResponseWriter, r *http.Request){
		"truncates": func(u *updating, w http.ResponseWriter, r *http.Request) {
			data, _ := os.ReadFile(filepath.Join(u.dir, filepath.FromSlash(r.URL.Path)))
			w.Write(data[:len(data)/2])
		},
		"foreign": func(_ *updating, w http.ResponseWriter, r *http.Request) {
			http.FileServer(http.Dir(foreign.dir)).ServeHTTP(w, r)
		},
		"gone": func(_ *updating, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"wrong core": func(u *updating, w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/targets/") {
				w.Write([]byte("something else"))
				return
			}
			http.FileServer(http.Dir(u.dir)).ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var u *updating
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(u, w, r) }))
			t.Cleanup(server.Close)
			u = newUpdating(t, server.URL)
			u.start()
			first := u.untilRunning()
			u.release(2)
			u.limpet("look", "--wait")
			v := u.view()
			if v.word == "" || v.core.pid != first.core.pid {
				t.Errorf("%s: %+v", name, v)
			}
			if r, _ := u.record(); r.Good != u.good || !r.Trial.None() {
				t.Errorf("%+v", r)
			}
			t.Logf("%s: %s", v.word, v.text)
			// A second mirror that works is enough.
			u.must(os.WriteFile(u.BoxFile(), []byte("mirror = "+server.URL+", "+u.dir+"\n"), 0o644))
			u.limpet("look")
			u.until("commit", func() bool { return u.good1() == 2 })
		})
	}
}

// A mirror that shows the repository as it was before each release, with the signatures of then: nothing is staged, the core
// runs on, and what is published later is installed.
func TestReplayedMirror(t *testing.T) {
	var shown atomic.Value // a folder
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.FileServer(http.Dir(shown.Load().(string))).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	u := newUpdating(t, server.URL)
	shown.Store(u.dir)
	u.start()
	u.untilRunning()
	var past []string
	for counter := uint64(2); counter <= 4; counter++ {
		state := t.TempDir()
		u.must(os.CopyFS(state, os.DirFS(u.dir)))
		past = append(past, state)
		u.release(counter)
		u.limpet("look")
		u.until("commit", func() bool { return u.good1() == counter })
		pid := u.untilRunning().core.pid
		for i, old := range past {
			shown.Store(old)
			u.limpet("look", "--wait")
			if r, _ := u.record(); r.Good.Counter != counter || !r.Trial.None() {
				t.Errorf("release %d runs, mirror as before %d: %+v", counter, i+2, r)
			}
			if v := u.view(); v.core.pid != pid {
				t.Errorf("release %d runs, mirror as before %d: another core runs", counter, i+2)
			}
		}
		shown.Store(u.dir)
	}
}
