package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	maxSessionsFile = 256
	lockPause       = 10 * time.Millisecond
	lockTries       = 1000 // ten seconds: the other holder writes a few bytes and is gone, but a busy disk may take as long over them
)

// ReserveSession gives the number under which the next session shows itself to the hub. It is durable
// when this returns, so no number is shown twice, and above every one reserved before by this or
// another core on the box; but on a disk that takes nothing this core alone remembers it
// (docs/decisions/167). A number that no hub was shown (see SessionShown) is given again: a hub
// that cannot be reached costs no write for each attempt.
func (i *Identity) ReserveSession() (uint64, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.spare != 0 {
		return i.spare, nil
	}
	release, err := i.lockSessions()
	if errors.Is(err, platforms.ErrLocked) {
		return 0, fmt.Errorf("count session: %w", err)
	}
	if err == nil {
		defer release()
	}
	count := max(i.readSessions(), i.counted) + 1
	if err := i.writeSessions(count); err != nil {
		i.log.Warn("session count is not kept: after another start the hub may take this box for one that was restored", "count", count, "err", err)
	}
	i.spare, i.counted = count, count
	return count, nil
}

// writeSessions makes a count durable. A full disk has no room for a new file, but for other bytes in the one that stands there; a power cut in that
// moment leaves a damaged one, from which counting begins anew.
func (i *Identity) writeSessions(count uint64) error {
	err := fsys.WriteNew(i.fs, i.sessionsFile(), sessionsText(count), 0o600)
	if err != nil && fsys.WriteInPlace(i.fs, i.sessionsFile(), sessionsText(count)) == nil {
		return nil
	}
	return err
}

// SessionShown says that a hub is about to see the number reserved last: the next one is another.
func (i *Identity) SessionShown() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.spare = 0
}

func (i *Identity) sessionsFile() string { return filepath.Join(i.layout.State, "sessions") }

// lockSessions keeps another core of this box from drawing the same number. It exists on real disks
// alone: nobody shares a disk in memory.
func (i *Identity) lockSessions() (release func(), err error) {
	if _, real := i.fs.(fsys.Disk); !real {
		return func() {}, nil
	}
	for range lockTries {
		var lock *platforms.Lock
		if lock, err = platforms.TakeStanding(i.sessionsFile() + ".lock"); err == nil {
			return func() { lock.Release() }, nil
		}
		if !errors.Is(err, platforms.ErrLocked) {
			break
		}
		time.Sleep(lockPause)
	}
	return nil, err
}

// readSessions is the count on disk; 0 when there is none or it is damaged: the hub then sees a box
// that was restored, which is what it is.
func (i *Identity) readSessions() uint64 {
	data, err := fsys.Read(i.fs, i.sessionsFile(), maxSessionsFile)
	if missing(err) {
		return 0
	}
	if err != nil {
		i.log.Warn("session count not read, beginning anew", "err", err)
		return 0
	}
	count, ok := parseSessions(string(data))
	if !ok {
		i.log.Warn("session count damaged, beginning anew", "file", i.sessionsFile())
	}
	return count
}

// The file is one line: the count, and its CRC-32 in hex.
func sessionsText(count uint64) []byte {
	text := strconv.FormatUint(count, 10)
	return fmt.Appendf(nil, "%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

func parseSessions(line string) (uint64, bool) {
	text, sum, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if !ok {
		return 0, false
	}
	want, err := hex.DecodeString(sum)
	if err != nil || len(want) != 4 {
		return 0, false
	}
	if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) != hex.EncodeToString(want) {
		return 0, false
	}
	count, err := strconv.ParseUint(text, 10, 64)
	return count, err == nil
}
