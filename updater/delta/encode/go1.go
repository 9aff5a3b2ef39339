package encode

import (
	"encoding/binary"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/match"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

func go1Body(old, new []byte) ([]byte, error) {
	was := refs.Analyse(slices.Clip(old))
	plan, wish, err := match.Find(was, refs.Analyse(new))
	if err != nil {
		return nil, err
	}
	return stream(was, plan, wish)
}

// stream returns what makes the file wanted from old by a plan: the decisions it takes, and these.
func stream(old *refs.Source, plan walk.Plan, wish walk.Wish) (b []byte, err error) {
	defer coder.Recover(&err)
	c := coder.NewEncoder(walk.Budget)
	walk.Code(c, old, len(wish.Whole), plan, wish)
	return append(binary.AppendUvarint(nil, c.Spent()), c.Bytes()...), nil
}
