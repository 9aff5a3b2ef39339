package delta

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

// Go1 is the codec that knows how Go programs refer to addresses.
const Go1 = "go1"

func decodeGo1(ctx context.Context, j job) error {
	in := bufio.NewReader(j.patch)
	spent, err := binary.ReadUvarint(in)
	if err != nil {
		return fmt.Errorf("read number of decisions: %w", noEOF(err))
	}
	old := make([]byte, j.size)
	if err := readBase(j.base, old, 0); err != nil {
		return err
	}
	result, err := walk.Decode(ctx, refs.Analyse(old), int(j.header.Size), in, spent)
	if err != nil {
		return err
	}
	if _, err := bytes.NewReader(result).WriteTo(j.out); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
