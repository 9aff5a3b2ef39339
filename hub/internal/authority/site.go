package authority

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// openSite reads the key and the repository of the site's own signatures, or makes them.
func (a *Authority) openSite(now time.Time) error {
	name := filepath.Join(a.o.Dir, "site.key")
	key, err := signing.Load(name)
	if errors.Is(err, os.ErrNotExist) {
		if key, err = signing.Generate(false); err != nil {
			return err
		}
		err = key.Save(name)
	}
	if err != nil {
		return err
	}
	a.siteKey = key
	_, err = a.siteRepo(now)
	return err
}

// siteRepo opens the repository, and keeps its root for trust documents.
func (a *Authority) siteRepo(now time.Time) (*repo.Repo, error) {
	site, err := repo.InitSite(fsys.Disk{}, filepath.Join(a.o.Dir, "site"), a.siteKey, now)
	if err != nil {
		return nil, err
	}
	root := site.Root()
	a.site.Store(&root)
	return site, nil
}

// signSite signs the repository anew, so that it never expires while a hub runs. What cannot be signed (a full disk, a clock
// set back) stays as it is until the next time.
func (a *Authority) signSite(now time.Time) {
	if err := a.renewSite(now); err != nil {
		a.log.Error("site's repository not signed anew, the old signatures stay", "err", err)
	}
}

func (a *Authority) renewSite(now time.Time) error {
	site, err := a.siteRepo(now) // anew each time: after an error the one in memory is not what is on disk
	if err != nil {
		return err
	}
	left := site.Refresh(now)
	if _, err := site.Commit(now); err != nil {
		return fmt.Errorf("sign site's repository: %w", err)
	}
	if len(left) > 0 {
		a.log.Warn("site's repository expires within 14 days unless its keyholders sign it anew", "roles", strings.Join(left, ", "))
	}
	root := site.Root()
	a.site.Store(&root)
	return nil
}
