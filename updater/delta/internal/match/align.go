package match

import (
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

// What the encoder takes the steps of a table to cost, in bits, and how far it looks for the cheapest way.
const (
	costHalf   = 7
	costNone   = 13
	costDelete = 3
	costInsert = 15
	maxCells   = 4 << 20
)

// align returns the cheapest steps from an old table to the one wanted.
func align(old []walk.Entry, want []refs.Pair) []byte {
	a, b := old, want
	n, m := len(a), len(b)
	var ops []byte
	if (n+1)*(m+1) > maxCells {
		for i := range max(n, m) {
			switch {
			case i < min(n, m):
				ops = append(ops, walk.Match)
			case i < n:
				ops = append(ops, walk.Delete)
			default:
				ops = append(ops, walk.Insert)
			}
		}
		return ops
	}
	cost := make([]int32, (n+1)*(m+1))
	step := make([]byte, len(cost))
	at := func(i, j int) int { return i*(m+1) + j }
	for i := n; i >= 0; i-- {
		for j := m; j >= 0; j-- {
			best, op := int32(1<<30), byte(walk.End)
			if i == n && j == m {
				best = 0
			}
			if i < n && j < m {
				c := int32(1)
				same, there := a[i].Old.DV == b[j].DV, a[i].Mapped == b[j].PC
				switch {
				case !same && !there:
					c = costNone
				case !same || !there:
					c = costHalf
				}
				if c += cost[at(i+1, j+1)]; c < best {
					best, op = c, walk.Match
				}
			}
			if i < n {
				if c := costDelete + cost[at(i+1, j)]; c < best {
					best, op = c, walk.Delete
				}
			}
			if j < m {
				if c := costInsert + cost[at(i, j+1)]; c < best {
					best, op = c, walk.Insert
				}
			}
			cost[at(i, j)], step[at(i, j)] = best, op
		}
	}
	for i, j := 0, 0; i < n || j < m; {
		op := step[at(i, j)]
		ops = append(ops, op)
		if op != walk.Insert {
			i++
		}
		if op != walk.Delete {
			j++
		}
	}
	return slices.Clip(ops)
}
