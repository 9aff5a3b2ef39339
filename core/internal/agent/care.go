package agent

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/cgroup"
	"github.com/limpet-monitoring/limpet/platforms"
)

const (
	// mostMemory is what a core may use where neither the box file nor a cgroup says less: ten times what a busy one takes.
	mostMemory  = 256 << 20
	leastMemory = 32 << 20 // with less the collector would do nothing else
	lowSpace    = 16 << 20 // bytes free below state: results are at stake
	enoughSpace = 64 << 20 // and it is over
)

// careForMemory has the garbage collector keep within what the box can give, and the kernel take plugins before it takes this core.
func (a *agent) careForMemory() {
	if err := platforms.SetOOMScore(0, platforms.OOMCore); err != nil {
		a.log.Debug("this core is ended as readily as any process when memory runs out", "err", err)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return // somebody knows better
	}
	var finder cgroup.Finder
	debug.SetMemoryLimit(memoryLimit(a.box.Limit.MemoryBytes, a.facts.Load().GetMemoryBytes(), finder.Memory().Limit))
}

// memoryLimit is the owner's word, else the least of: what a core ever needs, an eighth of the box, three quarters of its cgroup (plugins are in there too).
func memoryLimit(owner int64, box, group uint64) int64 {
	if owner > 0 {
		return max(owner, leastMemory)
	}
	limit := uint64(mostMemory)
	if box > 0 {
		limit = min(limit, box/8)
	}
	if group > 0 {
		limit = min(limit, group/4*3)
	}
	return max(int64(limit), leastMemory)
}

// tellOOM says so when the core before this one was ended for lack of memory: it ended by SIGKILL, and the kernel has ended something
// for that since it noted the count. last is the stub's word for how it ended.
func (a *agent) tellOOM(last string) {
	if a.lastSeen || a.o.Standby != "" {
		return
	}
	a.lastSeen = true
	count, ok := oomKills()
	if !ok {
		return
	}
	path := filepath.Join(a.o.Layout.Run(), "oom")
	before, known := readCount(path)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%s %d\n", bootWord(), count), 0o644); err != nil {
		a.log.Warn("count of processes ended for lack of memory not noted", "err", err)
	}
	if ranOut(last, before, count, known) {
		a.log.Warn("the core before this one was probably ended for lack of memory", "kills", count-before)
		a.event("core-oom", fmt.Sprintf("the core before this one was killed, and the kernel has ended %d processes for lack of memory since it began: "+
			"it was probably one of them", count-before), map[string]string{"kills": strconv.FormatUint(count-before, 10)})
	}
}

// ranOut says whether a core's end was one for lack of memory.
func ranOut(last string, before, now uint64, known bool) bool {
	return last == "signal-9" && known && now > before
}

// oomKills counts the processes that the kernel has ended for lack of memory since boot, on the whole box.
func oomKills() (uint64, bool) {
	f, err := os.Open("/proc/vmstat")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if word, found := strings.CutPrefix(lines.Text(), "oom_kill "); found {
			n, err := strconv.ParseUint(word, 10, 64)
			return n, err == nil
		}
	}
	return 0, false // a kernel before 4.13, or another system
}

func readCount(path string) (uint64, bool) {
	data, err := os.ReadFile(path)
	f := strings.Fields(string(data))
	if err != nil || len(f) != 2 || f[0] != bootWord() {
		return 0, false
	}
	n, err := strconv.ParseUint(f[1], 10, 64)
	return n, err == nil
}

func bootWord() string {
	id, err := platforms.BootID()
	if err != nil || id == "" {
		return "unknown"
	}
	return id
}

// lookAtDisk says so while there is too little room for what is to be kept, before anything is lost for it.
func (a *agent) lookAtDisk() {
	free, err := platforms.Space(a.o.Layout.State)
	if err != nil {
		return
	}
	switch {
	case a.lowDisk == "" && free < lowSpace:
		a.lowDisk = fmt.Sprintf("only %d MiB are free in %s: results may be lost", free>>20, a.o.Layout.State)
		a.log.Warn("little space", "free", free, "dir", a.o.Layout.State)
		a.tellDisk("disk-low", a.lowDisk)
	case a.lowDisk != "" && free > enoughSpace:
		a.lowDisk = ""
		a.tellDisk("disk-enough", "there is room again in "+a.o.Layout.State)
	default:
		return
	}
	a.show()
}

// tellDisk has the hub hear of it from the one core that schedules. Keeping an event may wait for the disk; the loop must not.
func (a *agent) tellDisk(kind, text string) {
	if a.lock != nil {
		go a.event(kind, text, nil)
	}
}

// lookDiskEvery is how often: a full disk takes longer to fill.
const lookDiskEvery = time.Minute
