package authority

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/trust"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// published is the site's repository as a stranger reads it.
func published(t *testing.T, o Options) *tuf.Set {
	t.Helper()
	r, err := repo.Open(fsys.Disk{}, filepath.Join(o.Dir, "site"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Set()
}

func TestTheSiteIsSignedAnewAtStartAndDaily(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: "none"}
	synctest.Test(t, func(t *testing.T) {
		open(t, o)
		time.Sleep(30 * 24 * time.Hour) // the hub was off for a month
		if len(published(t, o).Warnings(time.Now())) == 0 {
			t.Error("a month without a hub left nothing to warn of")
		}
		a := open(t, o)
		ctx, stop := context.WithCancel(t.Context())
		go a.Run(ctx)
		for day := range 9 { // longer than a timestamp lives
			synctest.Wait()
			set := published(t, o)
			if w := set.Warnings(time.Now()); len(w) > 0 {
				t.Errorf("day %d: %v", day, w)
			}
			if late := time.Since(set.Issued()); late > time.Minute {
				t.Errorf("day %d: signed %s ago", day, late)
			}
			time.Sleep(24 * time.Hour)
		}
		stop()
	})
}

func TestANewSiteRootStandsInNewDocuments(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: release(t)}
	a := open(t, o)
	root, now := a.Site().Root, time.Now()
	old, err := a.Document()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.renewSite(now.AddDate(0, 1, 0)); err != nil {
		t.Fatal(err)
	}
	if hash, err := a.Document(); err != nil || hash != old {
		t.Errorf("a root with most of its life ahead was replaced, %v", err)
	}
	if err := a.renewSite(now.AddDate(1, 0, -7)); err != nil {
		t.Fatal(err)
	}
	hash, err := a.Document()
	if err != nil || hash == old {
		t.Fatalf("a week before its expiry the root is the old one, %v", err)
	}
	data, ok := a.Served(hex.EncodeToString(hash[:]))
	d, err := trust.ParseDocument(data, hash)
	if !ok || err != nil || bytes.Equal(d.SiteRoot, root) {
		t.Errorf("document with the old root, %v", err)
	}
	if _, ok := a.Served(hex.EncodeToString(old[:])); !ok {
		t.Error("the document of older tokens is gone")
	}
}

// A clock set back must not keep a hub from running, and must not publish what boxes would refuse.
func TestAClockSetBackKeepsTheOldSignatures(t *testing.T) {
	var log bytes.Buffer
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: "none", Log: slog.New(slog.NewTextHandler(&log, nil))}
	a := open(t, o)
	issued := published(t, o).Issued()
	a.signSite(time.Now().AddDate(0, 0, -2))
	if again := published(t, o).Issued(); !again.Equal(issued) {
		t.Errorf("signed at %s after %s", again, issued)
	}
	if !strings.Contains(log.String(), "set the clock") {
		t.Errorf("log: %q", log.String())
	}
	a.signSite(time.Now().AddDate(0, 0, 2))
	if again := published(t, o).Issued(); !again.After(issued) {
		t.Error("not signed anew once the clock was right")
	}
}

// The owner has taken root and targets offline (docs/release-runbook.md, "The site's root"): the hub goes on signing what is
// its to sign, for as long as the owner's signatures hold, and new documents carry the owner's root.
func TestASiteWhoseRootIsOffline(t *testing.T) {
	var log bytes.Buffer
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: "none", Log: slog.New(slog.NewTextHandler(&log, nil))}
	a := open(t, o)
	owner, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.Place().DailyKey()
	if err != nil {
		t.Fatal(err)
	}
	both := hands{owner.ID(): owner, own.ID(): own}
	r, err := repo.Open(fsys.Disk{}, filepath.Join(o.Dir, "site"), both)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"root", "targets"} {
		if _, err := r.Grant(role, repo.Grant{Keys: []ed25519.PublicKey{owner.Public()}, Threshold: 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	if _, err := r.Commit(now); err != nil {
		t.Fatal(err)
	}
	a = open(t, o)
	if !bytes.Equal(a.Site().Root, r.Root()) {
		t.Error("a hub that starts has another root than the owner's")
	}
	for _, days := range []int{1, 30, 85} {
		if err := a.renewSite(now.AddDate(0, 0, days)); err != nil {
			t.Fatalf("after %d days: %v", days, err)
		}
		if issued := published(t, o).Issued(); issued.Before(now.AddDate(0, 0, days).Add(-time.Minute)) {
			t.Errorf("after %d days it was signed %s", days, issued)
		}
	}
	if !strings.Contains(log.String(), "unless its keyholders sign it anew") || !strings.Contains(log.String(), "roles=targets") {
		t.Errorf("log: %s", log.String())
	}
	if !bytes.Equal(a.Site().Root, r.Root()) {
		t.Error("the hub has made a root")
	}
}

// hands is a ring of keys, by id.
type hands map[string]signing.Signer

func (h hands) Signers(_ string, ids []string) (out []signing.Signer, _ error) {
	for _, id := range ids {
		if h[id] != nil {
			out = append(out, h[id])
		}
	}
	return out, nil
}
