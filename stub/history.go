package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// Bounds of what is kept for people.
const (
	maxHistory = 64 << 10 // bytes; the older half goes
	maxTail    = 32 << 10 // bytes of the log of a rejected core
	maxTails   = 16       // as many as there are bars
)

// note adds a line to state/history: what became of a release. It costs the line, not the step, when
// it cannot be written.
func (s *supervisor) note(what string, c boot.Core, detail string) {
	version := s.versions[c.Counter]
	if version == "" {
		version = "-"
	}
	text := time.Now().UTC().Format(time.RFC3339) + " " + what
	if c.Counter != 0 || !c.None() {
		text += " release=" + counter(c) + " version=" + word(version) + " hash=" + hexOf(c.Hash)
	}
	if detail != "" {
		text += " " + line(detail)
	}
	if err := appendHistory(s.layout.History(), text+"\n"); err != nil {
		s.log.warn("history is not written", "err", err.Error())
	}
}

func appendHistory(path, text string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > maxHistory {
		data, _ := fsys.Read(fsys.Disk{}, path, 2*maxHistory) // what is far too long begins anew
		data = data[len(data)/2:]
		data = data[bytes.IndexByte(data, '\n')+1:]
		if err := fsys.WriteNew(fsys.Disk{}, path, data, 0o644); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// lastCame is how the last update came, as history has it.
func lastCame(l platforms.Layout) string {
	data, _ := fsys.Read(fsys.Disk{}, l.History(), 2*maxHistory) // without history nothing is known
	at := bytes.LastIndex(data, []byte(" came="))
	if at < 0 {
		return ""
	}
	text, _, _ := strings.Cut(string(data[at+1:]), "\n")
	return text
}

// valueOf is the value of one key in what a line of history says.
func valueOf(pairs, key string) string {
	_, rest, _ := strings.Cut(" "+pairs, " "+key+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

// keepTail keeps the last of what was logged since a trial was started, for the hub and for people.
func (s *supervisor) keepTail(p *process) {
	path := s.layout.Rejected(hexOf(p.core.Hash))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.log.warn("the log of a failed trial is not kept", "err", err.Error())
		return
	}
	data, err := tail(s.layout.CoreLog(), p.logFrom)
	if err == nil {
		err = fsys.WriteNew(fsys.Disk{}, path, data, 0o600)
	}
	if err != nil {
		s.log.warn("the log of a failed trial is not kept", "err", err.Error())
	}
	thin(filepath.Dir(path), path)
}

// tail is the end of a file, from an offset on where that is less.
func tail(path string, from int64) ([]byte, error) {
	f, err := fsys.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := sizeOf(f)
	if from > size {
		from = 0 // it was cut meanwhile
	}
	return io.ReadAll(io.NewSectionReader(f, max(from, size-maxTail), maxTail))
}

// thin keeps no more tails than there are bars; the newest stays.
func thin(dir, newest string) {
	names, _ := fsys.Disk{}.ReadDir(dir) // without it there are none
	for _, name := range names[:max(0, len(names)-maxTails)] {
		if path := filepath.Join(dir, name); path != newest {
			_ = os.Remove(path)
		}
	}
}
