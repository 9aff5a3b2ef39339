package encode

import (
	"encoding/binary"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/match"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

// go1Body returns the decisions that make a file from another take, and these.
func go1Body(old, new []byte) (b []byte, err error) {
	defer coder.Recover(&err)
	was := refs.Analyse(slices.Clip(old))
	plan, wish, err := match.Find(was, refs.Analyse(new))
	if err != nil {
		return nil, err
	}
	c := coder.NewEncoder(walk.Budget)
	walk.Code(c, was, len(new), plan, wish)
	return append(binary.AppendUvarint(nil, c.Spent()), c.Bytes()...), nil
}
