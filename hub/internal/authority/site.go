package authority

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

// sweepAfter is how old a file of the site's repository is that nothing lists, before it goes: an agent may still be reading it.
const sweepAfter = 7 * 24 * time.Hour

// Place is where the site's repository lies.
func (a *Authority) Place() site.Place { return site.Place(a.o.Dir) }

// Site is what the site's repository lists, as it was read last; never nil.
func (a *Authority) Site() *site.View { return a.site.Load() }

// openSite reads the key and the repository of the site's own signatures, or makes them.
func (a *Authority) openSite(now time.Time) error {
	lock, err := a.Place().Lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	if _, err := a.Place().Open(now); err != nil {
		return err
	}
	return a.readSite()
}

// readSite takes what is published now, for trust documents and whoever asks, and tells Options.SiteChanged of what differs.
func (a *Authority) readSite() error {
	at := a.siteAt()
	v, err := a.Place().Read()
	if err != nil {
		return err
	}
	before := a.site.Swap(v)
	a.siteRead = at
	if before != nil && a.o.SiteChanged != nil && (v.Version != before.Version || !bytes.Equal(v.Root, before.Root)) {
		a.o.SiteChanged(v)
	}
	return nil
}

// siteAt is when the repository was published last, as far as its files tell; zero when they do not.
func (a *Authority) siteAt() time.Time {
	info, err := os.Stat(filepath.Join(a.Place().Dir(), "timestamp.json"))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// lookAtSite reads the repository anew where somebody has published to it.
func (a *Authority) lookAtSite() {
	if a.siteAt().Equal(a.siteRead) {
		return
	}
	if err := a.readSite(); err != nil {
		a.log.Error("site's repository not read, what was read before stands", "err", err)
		a.siteRead = a.siteAt() // said once; the next publication is read again
	}
}

// signSite signs the repository anew, so that it never expires while a hub runs. What cannot be signed (a full disk, a clock
// set back) stays as it is until the next time.
func (a *Authority) signSite(now time.Time) {
	if err := a.renewSite(now); err != nil {
		a.log.Error("site's repository not signed anew, the old signatures stay", "err", err)
	}
}

func (a *Authority) renewSite(now time.Time) error {
	lock, err := a.Place().Lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	r, err := a.Place().Open(now) // anew each time: after an error the one in memory is not what is on disk
	if err != nil {
		return err
	}
	left := r.Refresh(now)
	if _, err := r.Commit(now); err != nil {
		return fmt.Errorf("sign site's repository: %w", err)
	}
	if len(left) > 0 {
		a.log.Warn("site's repository expires within 14 days unless its keyholders sign it anew: limpet-hub site renew", "roles", strings.Join(left, ", "))
	}
	if err := r.Sweep(now, sweepAfter, modTime); err != nil {
		a.log.Warn("old files of the site's repository not removed", "err", err)
	}
	return a.readSite()
}

func modTime(name string) (time.Time, error) {
	info, err := os.Stat(name)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
