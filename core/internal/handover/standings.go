package handover

import (
	"fmt"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// KeepStandings writes where checks stand for the time after a reboot: a book of states alone, synced. Whatever cuts it short, the file before it is whole.
func KeepStandings(d fsys.FS, path string, b Book, c Clock) error {
	b.Plan = schedule.Plan{}
	if err := fsys.WriteNew(d, path, b.marshal(c), 0o600); err != nil {
		return fmt.Errorf("keep standings: %w", err)
	}
	return nil
}

// ReadStandings reads what KeepStandings wrote, in whichever boot: states have wall times alone. What is damaged is not believed at all.
func ReadStandings(d fsys.FS, path string, c Clock) ([]check.Result, error) {
	data, err := fsys.Read(d, path, maxBook)
	if err != nil {
		return nil, fmt.Errorf("read standings: %w", err)
	}
	p := parser{clock: c, anyBoot: true}
	if err := p.parse(data); err != nil {
		return nil, fmt.Errorf("read standings %s: %w", filepath.Base(path), err)
	}
	return p.book.States, nil
}
