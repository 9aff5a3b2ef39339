package agent

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/systemd"
)

// TestRunlevels: records as init writes them, by utmp(5).
func TestRunlevels(t *testing.T) {
	record := func(kind uint16, level, before byte) []byte {
		r := make([]byte, utmpRecord)
		binary.NativeEndian.PutUint16(r, kind)
		binary.NativeEndian.PutUint32(r[4:], uint32(before)<<8|uint32(level))
		copy(r[8:], "~")
		return r
	}
	for name, c := range map[string]struct {
		data []byte
		ends systemd.End
	}{
		"running":            {record(1, '2', 'N'), systemd.Stays},
		"reboot":             {append(record(1, '2', 'N'), record(1, '6', '2')...), systemd.Reboots},
		"halt":               {append(record(7, '9', 0), record(1, '0', '2')...), systemd.Ends},
		"a user called 0":    {append(record(1, '2', 'N'), record(7, '0', 0)...), systemd.Stays},
		"came back":          {append(record(1, '6', '2'), record(1, '3', 'N')...), systemd.Stays},
		"nothing":            {nil, systemd.Stays},
		"a record cut short": {record(1, '6', '2')[:100], systemd.Stays},
	} {
		file := filepath.Join(t.TempDir(), "utmp")
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := levelEnd(readLevel(file)); got != c.ends {
			t.Errorf("%s: %v", name, got)
		}
	}
	if levelEnd(readLevel("/nonexistent")) != systemd.Stays {
		t.Error("no file says that the host ends")
	}
}
