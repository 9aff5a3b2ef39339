package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// There must be space for two, and for what others need meanwhile.
func TestSpaceForTwo(t *testing.T) {
	const length, need = 10 << 20, 28 << 20
	if err := enough("/ver", need, length); err != nil {
		t.Error(err)
	}
	if err := enough("/ver", need-1, length); err == nil || err.Error() != "/ver has 27 MB free, an update needs 28" {
		t.Errorf("a byte less: %v", err)
	}
	e, b := errandOf(t, "true")
	b.must(e.room(1))
	b.must(os.Remove(b.Ver))
	if err := e.room(1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestWordsForWhatWentWrong(t *testing.T) {
	for want, err := range map[string]error{
		"no-space":        &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC},
		"unreachable":     fmt.Errorf("look: %w", &errCode{7, "x"}),
		"metadata":        &errCode{6, "x"},
		"clock-or-freeze": &errCode{8, "x"},
		"failed":          syscall.EIO,
	} {
		if got := wordOf(err); got != want {
			t.Errorf("%v is %s, not %s", err, got, want)
		}
	}
	if got := wordOf(syscall.EDQUOT); got != "no-space" {
		t.Errorf("a share of a disk that is full is %s", got)
	}
	if got := wordOf(&errCode{5, "x"}); got != "failed" {
		t.Errorf("any other exit code is %s", got)
	}
}

// other is a user that is not the one who runs this: nobody, where we may become it.
func other() *platforms.User {
	if os.Geteuid() != 0 {
		return &platforms.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	}
	return &platforms.User{UID: 65534, GID: 65534}
}

// Children with few rights run as the user that was made for it, never gain any, and part/ is theirs.
func TestChildrenHaveFewRights(t *testing.T) {
	e, b := errandOf(t, `echo $(id -u) $(grep NoNewPrivs /proc/self/status) $(stat -c %u $part)`)
	e.user = other()
	b.must(os.Chmod(filepath.Dir(b.Root), 0o755))
	b.must(os.Chmod(b.Root, 0o755))
	b.must(os.WriteFile(filepath.Join(b.Log, "calls"), nil, 0o666))
	b.must(os.Chmod(filepath.Join(b.Log, "calls"), 0o666))
	b.must(os.Chmod(b.Log, 0o755))
	b.must(e.giveAway())
	id := strconv.Itoa(int(e.user.UID))
	if said, err := e.fetch(time.Minute, "look"); err != nil || said != id+" NoNewPrivs: 1 "+id {
		t.Errorf("%q, %v", said, err)
	}
	b.must(os.WriteFile(b.Fetch(), []byte("#!/bin/sh\necho $(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)\n"), 0o755))
	said, err := e.fetch(time.Minute, "look")
	if pipes := strings.Fields(said); err != nil || len(pipes) != 3 || !strings.HasPrefix(pipes[0], "pipe:") || pipes[0] == pipes[1] || pipes[1] == pipes[2] || pipes[0] == pipes[2] {
		t.Errorf("they speak by %q: %v", said, err)
	}
	if os.Geteuid() == 0 {
		b.must(os.RemoveAll(b.Part()))
		content := []byte("core")
		next := signed{Core: boot.Core{Counter: 2, Length: 4, Hash: sha256.Sum256(content)}, version: "1.2"}
		if got := e.bring(choice{core: next}, boot.Core{}); got.word != "failed" || !strings.HasPrefix(got.err.Error(), "give "+b.Part()+" away: ") {
			t.Errorf("%+v", got)
		}
		if found := e.look(); found.word != "failed" || !strings.HasPrefix(found.trouble, "give "+b.Part()+" away: ") {
			t.Errorf("%+v", found)
		}
		if calls := b.calls(); len(calls) != 1 {
			t.Errorf("limpet-fetch was sent out although part/ is not its: %q", calls)
		}
	}
}

// What a patch fails of is said, and a base that is damaged makes none.
func TestWhatIsMadeOfAPatch(t *testing.T) {
	content := []byte("new core")
	next := boot.Core{Counter: 2, Length: int64(len(content)), Hash: sha256.Sum256(content)}
	part := "$part/" + hexOf(next.Hash)
	e, b := errandOf(t, `case "$*" in *--plain*) printf 'new core' > `+part+`; echo full 8;; *) printf 'plain:new core' | tee `+part+`.packed > `+part+`.patch
		case "$*" in *--base*) echo delta 5 go1;; *) echo packed 6 zstd;; esac;; esac`)
	base := b.place(1, coreBytes(t, ""))
	for way, want := range map[string]string{
		"delta 5 go1":   "limpet-core patch: exit-1",
		"packed 5 zstd": "limpet-core unpack: exit-1",
		"magic 5":       `limpet-fetch brought "magic", which this stub does not know`,
		"delta 5":       `limpet-fetch brought "delta", which this stub does not know`, // by no codec
		"packed 5":      `limpet-fetch brought "packed", which this stub does not know`,
		"full 5":        "",
	} {
		err := e.produce(strings.Fields(way), next, base)
		if text := fmt.Sprint(err); want != "" && text != want || want == "" && err != nil {
			t.Errorf("%s: %v, want %s", way, err, want)
		}
	}
	b.flip(base)
	if err := e.produce([]string{"delta", "5", "go1"}, next, base); err == nil || !strings.HasPrefix(err.Error(), "release 1: ") {
		t.Errorf("of a damaged base: %v", err)
	}
	got := e.bring(choice{core: signed{Core: next, version: "1.2"}}, base)
	if got.err != nil || got.came != "came=1.2 came_as=full came_bytes=19 came_of=8" {
		t.Errorf("%+v", got)
	}
}

// What cannot be taken over is said, and nothing that was said of it is believed.
func TestALookThatCannotBeTakenOver(t *testing.T) {
	u := newUpdating(t)
	u.release(2)
	e, b := errandOf(t, "mkdir -p $part/meta; cp "+u.dir+"/*.json $part/meta")
	e.channel, e.now = "stable", time.Now()
	data, err := os.ReadFile(filepath.Join(u.TrustCore(), "root.json"))
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.TrustCore(), "root.json"), data, 0o644))
	b.must(os.Mkdir(filepath.Join(b.TrustCore(), "snapshot.json.new"), 0o755)) // in the way
	found := e.look()
	if found.word != "failed" || !strings.HasPrefix(found.trouble, "take over metadata: ") || found.verdict.cores != nil {
		t.Errorf("%+v", found)
	}
	info, err := os.Stat(filepath.Join(b.TrustCore(), "timestamp.json"))
	b.must(err)
	if info.Mode().Perm() != 0o644 {
		t.Errorf("what was taken over before it is %v", info.Mode())
	}
	b.must(os.Remove(filepath.Join(b.TrustCore(), "snapshot.json.new")))
	if found := e.look(); found.trouble != "" || len(found.verdict.cores) != 2 {
		t.Errorf("afterwards: %+v", found)
	}
}

// A power cut right after a file was taken over, or a name dropped, takes neither back.
func TestWhatIsTakenOverStays(t *testing.T) {
	data := []byte("verified")
	stored := func() *crashdisk.Disk {
		d := crashdisk.New()
		if err := errors.Join(d.MkdirAll("/trust", 0o755), d.SyncDir("/"), fsys.WriteNew(d, "/trust/root.json", []byte("before"), 0o644)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	for want, step := range map[string]func(*crashdisk.Disk) error{
		"verified": func(d *crashdisk.Disk) error {
			return takeOver(d, "/trust", bytes.NewReader(data), change{name: "root.json", hash: sha256.Sum256(data), length: 8})
		},
		"": func(d *crashdisk.Disk) error { return drop(d, "/trust", "root.json") },
	} {
		crashdisk.Every(1000, func(c crashdisk.Chooser) bool {
			d := stored()
			if err := step(d); err != nil {
				t.Fatal(err)
			}
			now, err := fsys.Read(d.Restart(c), "/trust/root.json", 100)
			if string(now) != want || want == "" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%q, not %q: %v", now, want, err)
			}
			return true
		})
	}
	broken := errors.New("input/output error")
	for at := 1; at <= 2; at++ {
		d := stored()
		d.FailAt(at, broken)
		if err := drop(d, "/trust", "root.json"); !errors.Is(err, broken) {
			t.Errorf("call %d fails: %v", at, err)
		}
	}
}

func TestAFingerprintIsShort(t *testing.T) {
	b := emptyBox(t)
	finger := strings.Repeat("ab", 32)
	for size, want := range map[int]string{1 << 10: finger, 1<<10 + 1: ""} {
		b.must(os.WriteFile(b.Finger(), []byte(finger+strings.Repeat("\n", size-len(finger))), 0o644))
		if got := fingerprint(b.Layout); got != want {
			t.Errorf("a file of %d bytes: %q", size, got)
		}
	}
}
