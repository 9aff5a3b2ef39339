//go:build linux

package rogue

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// Seen is what came of one of them.
type Seen struct {
	Result struct {
		State      string
		Text       string
		Long       string
		DurationMS float64 `json:"duration_ms"`
		Problems   []string
	}
	Told  time.Duration // from asking to its result, the whole way
	Peak  int64         // the most anonymous memory that the core had meanwhile, in bytes
	Error string
}

// Play has an agent run one of them.
func Play(ctx context.Context, hub *rig.Hub, a *rig.Agent, k Kind) (s Seen, err error) {
	pid := a.CorePID()
	watch, stop := context.WithCancel(ctx)
	peak := make(chan int64, 1)
	go func() { peak <- highest(watch, pid) }()
	asked := time.Now()
	body, err := hub.RunNow(ctx, a.Fingerprint(), k.Name)
	if err != nil {
		stop()
		return s, err
	}
	defer body.Close()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			stop()
			return s, fmt.Errorf("%s: no result: %w", k.Name, err)
		}
		if strings.HasPrefix(string(line), `{"output"`) {
			continue
		}
		s.Told = time.Since(asked)
		if err := json.Unmarshal(line, &s); err != nil {
			stop()
			return s, err
		}
		break
	}
	stop()
	s.Peak = <-peak
	return s, nil
}

// Wrong says what is wrong with what came of it, "" = nothing. slack is what the way to the hub and back, and a busy machine, may add.
func (k Kind) Wrong(s Seen, slack time.Duration) string {
	all := strings.Join(append([]string{s.Result.Text, s.Result.Long}, s.Result.Problems...), "\n")
	after, most := "its deadline", Timeout+500*time.Millisecond
	switch k.Told {
	case AtKill:
		most = Timeout + 2*time.Second
	case AtExit:
		after, most = "its end", time.Duration(s.Result.DurationMS*1e6)+200*time.Millisecond
	}
	switch {
	case s.Error != "":
		return "no result: " + s.Error
	case s.Result.State != k.State:
		return fmt.Sprintf("it is %s, want %s: %.300q", s.Result.State, k.State, all)
	case !strings.Contains(all, k.Says):
		return fmt.Sprintf("it says %.300q, want %q", all, k.Says)
	case s.Told > most+slack:
		return fmt.Sprintf("told after %s, want %s (%s and what that may take) and at most %s more", s.Told, most, after, slack)
	}
	return ""
}

// Most is the most anonymous memory that a process has during that time, in bytes.
func Most(ctx context.Context, pid int, during time.Duration) (int64, error) {
	some, stop := context.WithTimeout(ctx, during)
	defer stop()
	return highest(some, pid), ctx.Err()
}

func highest(ctx context.Context, pid int) int64 {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	most := Anonymous(pid)
	for {
		select {
		case <-tick.C:
			most = max(most, Anonymous(pid))
		case <-ctx.Done():
			return most
		}
	}
}

// Anonymous is the anonymous memory of a process in bytes.
func Anonymous(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "RssAnon:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// Left lists what is left of all of them on this machine: processes known by the mark in their command line, what runs in the agent's cgroups, and children of the
// core, ended or not, but for neighbours under way.
func Left(core int, plugins, mark string) []string {
	var left []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline")
		stat, _ := os.ReadFile(dir + "/stat")
		groups, _ := os.ReadFile(dir + "/cgroup")
		at := strings.LastIndexByte(string(stat), ')')
		if at < 0 {
			continue
		}
		fields := strings.Fields(string(stat[at+1:]))
		words := strings.ReplaceAll(string(line), "\x00", " ")
		mine := strings.Contains(words, mark) || strings.Contains(words, plugins) || fields[1] == strconv.Itoa(core) ||
			strings.Contains(string(groups), "/limpet-runs-") && strings.Contains(string(groups), "."+strconv.Itoa(core)+".")
		if mine && !strings.Contains(words, neighbourFile) && filepath.Base(dir) != strconv.Itoa(core) {
			left = append(left, fmt.Sprintf("%s %s %.80s (%s)", filepath.Base(dir), fields[0], words, stat[:at+1]))
		}
	}
	return left
}
