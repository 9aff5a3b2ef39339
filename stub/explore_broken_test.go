package main

import (
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// broken is a stub with a flaw, which the explorer must find.
type broken struct {
	blind   bool                            // cores are not hashed
	disk    func(d *crashdisk.Disk) fsys.FS // what it makes of its disk
	atStart func(s *supervisor)             // what it does at its start
	after   func(s *supervisor)             // and after each line
}

func (b broken) over(d *crashdisk.Disk) fsys.FS {
	if b.disk == nil {
		return d
	}
	return b.disk(d)
}
