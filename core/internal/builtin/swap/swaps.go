package swap

import (
	"errors"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/mountinfo"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// maxAreas bounds the swap areas told; the kernel allows 29.
const maxAreas = 64

// parseSwaps reads /proc/swaps: a heading, then "NAME TYPE SIZE USED PRIORITY" with sizes in KiB and escapes in the name.
func parseSwaps(text []byte) ([]area, error) {
	_, text = procfs.Line(text)
	var list []area
	for len(text) > 0 && len(list) < maxAreas {
		var line []byte
		line, text = procfs.Line(text)
		name, rest := procfs.Field(line)
		if len(name) == 0 {
			continue
		}
		_, rest = procfs.Field(rest)
		size, rest := procfs.Field(rest)
		used, _ := procfs.Field(rest)
		total, ok1 := procfs.Uint(size)
		taken, ok2 := procfs.Uint(used)
		if !ok1 || !ok2 || total > 1<<50 {
			return nil, errors.New("read swaps: " + string(procfs.Short(line)) + " has no sizes")
		}
		list = append(list, area{
			name: strings.ToValidUTF8(mountinfo.Unescape(name), "?"), total: total << 10, free: (total - min(taken, total)) << 10,
		})
	}
	return list, nil
}
