package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Files in bin that name the folder of the pair that runs, and of the one before.
const (
	current  = "current"
	previous = "previous"
)

func (b bin) named(file string) string {
	data, err := fsys.Read(fsys.Disk{}, b.path(file), 4<<10)
	if name := strings.TrimSpace(string(data)); err == nil && versionIn(name) != "" {
		return name
	}
	return ""
}

// use makes a pair the one that runs. A program that runs can be renamed here and not replaced: each of the
// two is renamed away and the new one in, limpet-fetch first. Between the two the older limpet runs on and refuses the
// newer limpet-fetch aloud; another call goes on from there.
func (b bin) use(name string) error {
	disk := fsys.Disk{}
	if before := b.named(current); before != "" && before != name {
		if err := fsys.WriteNew(disk, b.path(previous), []byte(before+"\n"), 0o644); err != nil {
			return fmt.Errorf("note the way back: %w", err)
		}
	}
	for _, program := range []string{b.programs[1], b.programs[0]} {
		if err := b.exchange(name, program); err != nil {
			return fmt.Errorf("place %s: %w", program, err)
		}
	}
	if err := fsys.WriteNew(disk, b.path(current), []byte(name+"\n"), 0o644); err != nil {
		return fmt.Errorf("note what runs: %w", err)
	}
	return b.collect(func(string) bool { return true })
}

func (b bin) exchange(name, program string) error {
	data, err := fsys.Read(fsys.Disk{}, b.path(name, program), maxProgram)
	if err != nil {
		return err
	}
	fresh := b.path(program + ".fresh")
	if err := fsys.WriteNew(fsys.Disk{}, fresh, data, 0o755); err != nil {
		return err
	}
	old := b.path(program + ".old")
	_ = os.Remove(old) // it may still run from an earlier time
	for i := 0; !missing(old) && i < 100; i++ {
		old = b.path(fmt.Sprintf("%s.old-%d", program, i))
	}
	if err := os.Rename(b.path(program), old); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Rename(fresh, b.path(program))
}

// led reports whether the two programs are those of the pair that is noted as running.
func (b bin) led() bool {
	here, err1 := b.hashes("")
	noted, err2 := b.hashes(b.named(current))
	return err1 == nil && err2 == nil && here == noted
}
