package main

import (
	"errors"
	"os"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// handOver gives a command to the core that the record names, by the descriptor that was hashed, with
// the caller's rights. It returns only when that failed.
func handOver(l platforms.Layout, c call) error {
	image, err := goodCore(l)
	if err != nil {
		return err
	}
	defer image.Close()
	args := append([]string{"limpet-core", c.name}, l.RootArgs()...)
	return giveWay("the core", image, image.Name(), append(args, c.args...))
}

// giveWay has another program run in our place, with our rights. It returns only when that failed.
func giveWay(what string, image *os.File, path string, args []string) error {
	return plain.Wrap("run "+what, platforms.Replace(image, path, args, os.Environ()))
}

// goodCore opens the core that would run: good, or what takes its place where good is damaged.
func goodCore(l platforms.Layout) (*os.File, error) {
	_, record, found := boot.Load(fsys.Disk{}, records(l))
	if !found {
		return nil, &fault{exitNoCore, "there is no record of a core in " + l.State,
			"`limpet-fetch bootstrap` places a core, the first `limpet run` writes the record"}
	}
	var unsound [][32]byte
	for _, a := boot.Next(record, boot.Boot{}); a.Do == boot.Run; _, a = boot.Next(record, boot.Unsound{Hashes: unsound}) {
		f, err := open(l, a.Core)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, store.ErrUnsound) && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		unsound = append(unsound, a.Core.Hash)
	}
	return nil, &fault{exitNoCore, "no core in " + l.Ver + " is what was verified when it was placed",
		"`limpet-fetch bootstrap` places it again"}
}
