package encode

import (
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/match"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

func go1Body(old, new []byte) ([]byte, error) {
	was := refs.Analyse(old)
	plan, wish, err := match.Find(was, refs.Analyse(new))
	if err != nil {
		return nil, err
	}
	stream, spent, err := walk.Encode(was, wish, plan)
	if err != nil {
		return nil, err
	}
	return append(binary.AppendUvarint(nil, spent), stream...), nil
}
