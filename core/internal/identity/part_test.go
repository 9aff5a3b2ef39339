package identity

import (
	"crypto/ed25519"
	"path/filepath"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// enrolled is a disk with an identity that trusts a hub.
func enrolled(t *testing.T) (*crashdisk.Disk, platforms.Layout, *Identity) {
	t.Helper()
	l, err := platforms.At("/box")
	if err != nil {
		t.Fatal(err)
	}
	disk := crashdisk.New()
	for _, dir := range []string{l.Etc, filepath.Dir(l.TrustDocument())} {
		if err := disk.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	document := trust.Document{HubKey: public, CoreRoot: []byte("{}"), SiteRoot: []byte("{}")}
	data, err := document.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := fsys.WriteNew(disk, l.TrustDocument(), data, 0o644); err != nil {
		t.Fatal(err)
	}
	i := open(t, Options{Layout: l, FS: disk})
	for _, dir := range []string{"/", "/box", l.Etc, l.State, filepath.Dir(l.TrustDocument())} {
		if err := disk.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	return disk, l, i
}

// TestACopyIsOneOfTheTwoWhateverCutsItShort: at every call of a change of keys the power fails; the next start is the former agent or the new one,
// and the new one has the token.
func TestACopyIsOneOfTheTwoWhateverCutsItShort(t *testing.T) {
	disk, l, i := enrolled(t)
	former := i.Fingerprint()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	fresh := Fingerprint(key.Public().(ed25519.PublicKey))
	var left []*crashdisk.Disk
	disk.Each(func(cut func(crashdisk.Chooser) *crashdisk.Disk) {
		crashdisk.Every(200, func(c crashdisk.Chooser) bool { left = append(left, cut(c)); return true })
	})
	if err := i.Part(key, make([]byte, 8), make([]byte, 24)); err != nil {
		t.Fatal(err)
	}
	if i.Fingerprint() != fresh || !i.Key().Equal(key) {
		t.Errorf("it is %s, not %s", i.Fingerprint(), fresh)
	}
	seen := map[string]int{}
	for _, d := range append(left, disk.Restart(crashdisk.Lost{})) {
		next, err := Open(Options{Layout: l, FS: d})
		if err != nil {
			t.Fatal(err)
		}
		seen[next.Fingerprint()]++
		token, err := next.Token()
		if err != nil || next.Fingerprint() == fresh && token == nil {
			t.Errorf("token of %s: %v, %v", next.Fingerprint(), token, err)
		}
		if _, wanted, err := next.Wanted(); wanted || err != nil {
			t.Errorf("a trust document is asked for, %v", err)
		}
	}
	if seen[former] == 0 || seen[fresh] == 0 || len(seen) != 2 {
		t.Errorf("agents after a cut: %v", seen)
	}
}
