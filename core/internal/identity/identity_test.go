package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

func layout(t *testing.T) platforms.Layout {
	t.Helper()
	l, err := platforms.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.Etc, l.State} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func open(t *testing.T, o Options) *Identity {
	t.Helper()
	i, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	l := layout(t)
	first, second := open(t, Options{Layout: l}), open(t, Options{Layout: l})
	if first.Fingerprint() != second.Fingerprint() || len(first.Fingerprint()) != 64 || first.Fingerprint() != Fingerprint(first.PublicKey()) {
		t.Errorf("fingerprints %s, %s", first.Fingerprint(), second.Fingerprint())
	}
	if info, err := os.Stat(l.Key()); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("key file %v, %v", info, err)
	}
	if text, err := os.ReadFile(l.Finger()); err != nil || strings.TrimSpace(string(text)) != first.Fingerprint() {
		t.Errorf("agent.finger %q, %v", text, err)
	}
}

func TestNoBoxComesBackAsSomebodyElse(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, l platforms.Layout) error
		want   string // "" = opens as the same
	}{
		{"key gone", func(t *testing.T, l platforms.Layout) error { return os.Remove(l.Key()) }, "it is gone"},
		{"key empty", func(t *testing.T, l platforms.Layout) error { return os.WriteFile(l.Key(), nil, 0o600) }, "no PEM"},
		{"key damaged", func(t *testing.T, l platforms.Layout) error {
			return os.WriteFile(l.Key(), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		}, "damaged"},
		{"key huge", func(t *testing.T, l platforms.Layout) error { return os.WriteFile(l.Key(), make([]byte, 1<<20), 0o600) }, "larger than its limit"},
		{"another box's key", func(t *testing.T, l platforms.Layout) error {
			other := layout(t)
			open(t, Options{Layout: other})
			return os.Rename(other.Key(), l.Key())
		}, "it is that of agent"},
		{"fingerprint gone", func(t *testing.T, l platforms.Layout) error { return os.Remove(l.Finger()) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := layout(t)
			before := open(t, Options{Layout: l})
			if err := tt.damage(t, l); err != nil {
				t.Fatal(err)
			}
			after, err := Open(Options{Layout: l})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || after.Fingerprint() != before.Fingerprint() {
				t.Errorf("after: %v", err)
			}
		})
	}
}

func TestPowerCutAtTheFirstStart(t *testing.T) {
	l, err := platforms.At("/box")
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; ; cut++ {
		disk := crashdisk.New()
		disk.MkdirAll(l.Etc, 0o755)
		disk.MkdirAll(l.State, 0o755)
		disk.SyncDir("/")
		disk.SyncDir("/box")
		disk.CutAt(cut)
		before, err := Open(Options{Layout: l, FS: disk})
		crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			after, againErr := Open(Options{Layout: l, FS: disk.Restart(c)})
			if againErr != nil || err == nil && after.Fingerprint() != before.Fingerprint() {
				t.Errorf("cut at %d: %v", cut, againErr)
			}
			return true
		})
		if err == nil {
			break
		}
	}
}

func TestSessionNumbersRiseAndAreNeverShownTwice(t *testing.T) {
	l := layout(t)
	i := open(t, Options{Layout: l})
	first, err := i.ReserveSession()
	if err != nil || first != 1 {
		t.Fatalf("first %d, %v", first, err)
	}
	if again, _ := i.ReserveSession(); again != first {
		t.Errorf("a number nobody saw cost another: %d", again)
	}
	i.SessionShown()
	other := open(t, Options{Layout: l}) // another core of the box
	seen := map[uint64]bool{first: true}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, x := range []*Identity{i, other} {
		all.Go(func() {
			for range 20 {
				n, err := x.ReserveSession()
				mu.Lock()
				if err != nil || seen[n] {
					t.Errorf("number %d, %v", n, err)
				}
				seen[n] = true
				mu.Unlock()
				x.SessionShown()
			}
		})
	}
	all.Wait()
	for _, damage := range []string{"", "12", "12 zzzz", "12 00000000", "x"} {
		if err := os.WriteFile(i.sessionsFile(), []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := open(t, Options{Layout: l}).ReserveSession(); n != 1 || err != nil {
			t.Errorf("count %q: %d, %v", damage, n, err)
		}
	}
}

// A full disk takes other bytes in a file that stands there, one that takes nothing leaves the count to this core's memory: a session is never refused for its number.
func TestSessionNumbersOnADiskThatTakesNothing(t *testing.T) {
	for name, fails := range map[string]func(call string) bool{
		"no new file": func(call string) bool { return call == "new" },
		"nothing":     func(string) bool { return true },
	} {
		l := layout(t)
		i := open(t, Options{Layout: l})
		if n, err := i.ReserveSession(); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		i.SessionShown()
		i.fs = closed{i.fs, fails}
		for want := uint64(2); want < 13; want++ { // the text grows by a figure
			if n, err := i.ReserveSession(); n != want || err != nil {
				t.Errorf("%s: number %d, want %d: %v", name, n, want, err)
			}
			i.SessionShown()
		}
		want := uint64(13)
		if name == "nothing" {
			want = 2 // what the hub then sees is a box that was restored
		}
		if n, err := open(t, Options{Layout: l}).ReserveSession(); n != want || err != nil {
			t.Errorf("%s: the next core counts %d, want %d: %v", name, n, want, err)
		}
	}
}

// closed is a disk that has no room: for a new file, or for anything.
type closed struct {
	fsys.FS
	fails func(call string) bool
}

func (c closed) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	call := "read"
	switch {
	case flag&os.O_CREATE != 0:
		call = "new"
	case flag&(os.O_WRONLY|os.O_RDWR) != 0:
		call = "write"
	}
	if call != "read" && c.fails(call) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
	}
	return c.FS.Open(name, flag, perm)
}

func document(t *testing.T) ([]byte, trust.Token) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	data, err := trust.Document{HubKey: public, CoreRoot: []byte("{}"), SiteRoot: []byte("{}")}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	token, err := trust.NewToken(trust.Hash(data))
	if err != nil {
		t.Fatal(err)
	}
	return data, token
}

func TestTrustComesFromTheTokenAlone(t *testing.T) {
	l := layout(t)
	data, token := document(t)
	i := open(t, Options{Layout: l})
	if err := i.Learn(data); !errors.Is(err, ErrNoToken) || i.Trusting() {
		t.Errorf("learnt without a token: %v", err)
	}
	if err := os.WriteFile(l.Token(), []byte(token.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hash, wanted, err := i.Wanted()
	if err != nil || !wanted || hash != trust.Hash(data) {
		t.Fatalf("wanted %x %v %v", hash, wanted, err)
	}
	other, _ := document(t)
	if err := i.Learn(other); !errors.Is(err, trust.ErrDocument) || i.Trusting() {
		t.Errorf("learnt another document: %v", err)
	}
	if err := i.Learn(data); err != nil || !i.Trusting() || len(i.HubKeys()) != 1 {
		t.Fatalf("learn: %v", err)
	}
	if _, wanted, err := i.Wanted(); wanted || err != nil {
		t.Errorf("wanted again: %v, %v", wanted, err)
	}
	successor, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := i.TrustKey(successor); err != nil {
			t.Fatal(err)
		}
	}
	if again := open(t, Options{Layout: l}); len(again.HubKeys()) != 2 || !again.HubKeys()[1].Equal(successor) {
		t.Errorf("keys after a start: %d", len(again.HubKeys()))
	}
	if err := i.TokenUsed(); err != nil {
		t.Fatal(err)
	}
	if got, err := i.Token(); got != nil || err != nil {
		t.Errorf("token after use: %v, %v", got, err)
	}
	// A new token for another hub: what the old one's successions led to ends with it.
	fresh, freshToken := document(t)
	i = open(t, Options{Layout: l, Token: freshToken.String()})
	if _, wanted, err := i.Wanted(); !wanted || err != nil {
		t.Errorf("the new token's document is not wanted: %v", err)
	}
	if err := i.Learn(fresh); err != nil || len(i.HubKeys()) != 1 {
		t.Errorf("learn: %v, %d keys", err, len(i.HubKeys()))
	}
}

func TestDamagedTrustDocumentSaysWhatToDo(t *testing.T) {
	l := layout(t)
	_, token := document(t)
	if err := os.MkdirAll(filepath.Dir(l.TrustDocument()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.TrustDocument(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Layout: l}); err == nil || !strings.Contains(err.Error(), "enrol again") {
		t.Errorf("error %v", err)
	}
	if i := open(t, Options{Layout: l, Token: token.String()}); i.Trusting() {
		t.Error("a damaged document is trusted")
	}
}

func TestErrorsKeepTheTokenSecret(t *testing.T) {
	l := layout(t)
	_, token := document(t)
	text := token.String()
	if err := os.WriteFile(l.Token(), []byte(text[:60]), 0o600); err != nil {
		t.Fatal(err)
	}
	i := open(t, Options{Layout: l})
	if _, err := i.Token(); err == nil || strings.Contains(fmt.Sprint(err), text[10:20]) {
		t.Errorf("error %v", err)
	}
	if _, _, err := i.Wanted(); !errors.Is(err, trust.ErrTruncated) {
		t.Errorf("error %v", err)
	}
}

func FuzzParseKey(f *testing.F) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	text, err := marshalKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := parseKey(data); err == nil && len(k) != ed25519.PrivateKeySize {
			t.Fatalf("a key of %d bytes", len(k))
		}
	})
}

func FuzzParseSessions(f *testing.F) {
	f.Add(string(sessionsText(12)))
	f.Add("12 00000000\n")
	f.Fuzz(func(t *testing.T, line string) {
		if n, ok := parseSessions(line); ok && !strings.Contains(line, fmt.Sprint(n)) {
			t.Fatalf("%q reads %d", line, n)
		}
	})
}

// What one core counts the next one, and one that was rolled back, must be able to read.
func TestTheSessionCountStays(t *testing.T) {
	const frozen = "41 ab2de132\n"
	if got := string(sessionsText(41)); got != frozen {
		t.Errorf("it is written as %q, not as %q", got, frozen)
	}
	if n, ok := parseSessions(frozen); !ok || n != 41 {
		t.Errorf("%d, %v", n, ok)
	}
}
