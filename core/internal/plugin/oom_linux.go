package plugin

import (
	"os"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms"
)

// preferToAgent has the kernel end the run before the agent when memory runs out, as far as this process may say so. What a plugin starts begins
// with the agent's own score until then. Saying it costs a tenth of a short run, and what ends within settled has not had the time to
// take much.
func (p *process) preferToAgent() {
	told := map[int]bool{}
	for range 3 { // what is told meanwhile may have started something
		news := 0
		for _, pid := range append(p.descendants(), p.pid) {
			if !told[pid] {
				told[pid] = true
				news++
				_ = platforms.SetOOMScore(pid, platforms.OOMPlugin)
			}
		}
		if news == 0 {
			return
		}
	}
}

// maxFamily bounds descendants: what forks without end is ended for that.
const maxFamily = 256

// descendants lists the processes of a run, without the plugin, as far as they can be found quickly.
func (p *process) descendants() []int {
	if p.slot != nil {
		pids := p.slot.inside()
		return pids[:min(len(pids), maxFamily)]
	}
	var all []int
	for next := []int{p.pid}; len(next) > 0 && len(all) < maxFamily; next = next[1:] {
		parent := strconv.Itoa(next[0])
		text, err := os.ReadFile("/proc/" + parent + "/task/" + parent + "/children")
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				all, next = append(all, pid), append(next, pid)
			}
		}
	}
	return all
}
