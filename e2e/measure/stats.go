//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
)

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[int(q*float64(len(s)-1))]
}

func spread(d []time.Duration) string {
	return fmt.Sprintf("min %.1f, p50 %.1f, p99 %.1f, max %.1f ms", ms(quantile(d, 0)), ms(quantile(d, 0.5)), ms(quantile(d, 0.99)), ms(quantile(d, 1)))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.0f ms", ms(d)) }

// dueOrder is scheduled runs in the order in which they were due.
func dueOrder(runs []ledger.Run) []ledger.Run {
	list := slices.DeleteFunc(slices.Clone(runs), func(r ledger.Run) bool { return r.Trigger != "scheduled" })
	slices.SortFunc(list, func(a, b ledger.Run) int { return a.Due.Compare(b.Due) })
	return list
}
