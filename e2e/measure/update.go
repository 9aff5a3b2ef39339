//go:build linux

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const updateRounds = 3

// updates has an agent go from one core to the next by delta, and measures from the look to the new core's `ready`.
func updates(ctx context.Context, t *table, bin, dir string) error {
	s, err := newSwapping(ctx, bin, dir, 1, 0)
	if err != nil {
		return err
	}
	defer s.hub.Stop()
	defer s.agent.Stop()
	var took []time.Duration
	var wire, packed, full int64
	for i := range updateRounds {
		version := "0.3.0-next" + strings.Repeat(".7", i) // of another length each: what follows it in the program moves
		core := filepath.Join(dir, version)
		if err := rig.BuildCore(ctx, core, version); err != nil {
			return err
		}
		said, err := s.PublishCore(ctx, version, core, "--last", "1")
		if err != nil {
			return err
		}
		good := s.agent.Record().Good
		at := time.Now()
		if err := s.agent.Look(ctx); err != nil {
			return err
		}
		err = rig.Await(ctx, swapTime, version+" committed", func(context.Context) (bool, error) {
			return s.agent.Record().Good.Counter > good.Counter, nil
		})
		if err != nil {
			return err
		}
		ready, err := s.trialReady(at)
		if err != nil {
			return err
		}
		took = append(took, ready.Sub(at))
		way, bytes := s.way(s.agent.Record().Good.Hash)
		if way != "delta" {
			return fmt.Errorf("%s came as %q", version, way)
		}
		wire, packed, full = bytes, packedSize(said), s.agent.Record().Good.Length
		if err := sleep(ctx, 5*time.Second); err != nil {
			return err
		}
	}
	t.add(fmt.Sprintf("`limpet look` to the new core's `ready` by delta, %d times", updateRounds), spread(took), "max < 3 s", quantile(took, 1) < 3*time.Second)
	t.add("… bytes on the wire: delta, packed core, core", fmt.Sprintf("%d, %d, %d", wire, packed, full), "", wire > 0 && packed > 0)
	return nil
}

// trialReady is when the stub first heard a trial's `ready` after a moment.
func (s *swapping) trialReady(after time.Time) (time.Time, error) {
	log, err := os.ReadFile(filepath.Join(s.agent.Root, "log", "limpet.log"))
	if err != nil {
		return time.Time{}, err
	}
	for text := range strings.Lines(string(log)) {
		if !strings.Contains(text, `msg="core ready"`) || !strings.Contains(text, "role=trial") {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(text, "time="), " ")
		if at, err := time.Parse(time.RFC3339, stamp); err == nil && at.After(after.Truncate(time.Millisecond)) {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("the stub's log has no trial that was ready")
}

// way is how a core came, and in how many bytes, as the box's history has it.
func (s *swapping) way(hash [32]byte) (way string, bytes int64) {
	history, _ := os.ReadFile(filepath.Join(s.agent.Root, "state", "history"))
	for text := range strings.Lines(string(history)) {
		if !strings.Contains(text, " stage ") || !strings.Contains(text, "hash="+hex.EncodeToString(hash[:])) {
			continue
		}
		for _, f := range strings.Fields(text) {
			if v, ok := strings.CutPrefix(f, "came_as="); ok {
				way = v
			}
			if v, ok := strings.CutPrefix(f, "came_bytes="); ok {
				bytes, _ = strconv.ParseInt(v, 10, 64)
			}
		}
	}
	return way, bytes
}

var packedLine = regexp.MustCompile(`\(nothing\)\s+\S+\s+(\d+)`)

// packedSize is what limpet-release said of the packed core.
func packedSize(said string) int64 {
	m := packedLine.FindStringSubmatch(said)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}
