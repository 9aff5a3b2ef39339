// Package encode makes the patches that package delta applies. Only the publisher's tool runs it: what it does takes a
// minute and a gigabyte, and no program on a monitored box links it.
package encode

import (
	"bytes"
	"context"
	"fmt"

	"github.com/limpet-monitoring/limpet/updater/delta"
)

// Make returns a patch from old to new, after it has applied it and compared the result byte by byte.
func Make(codec string, old, new []byte) ([]byte, error) {
	h, err := NewHeader(codec, old, new)
	if err != nil {
		return nil, err
	}
	if len(old) > delta.MaxFile || len(new) > delta.MaxFile {
		return nil, fmt.Errorf("make patch: a file of %d bytes is over the limit of %d", max(len(old), len(new)), delta.MaxFile)
	}
	body := zstdBody
	if codec == delta.Go1 {
		body = go1Body
	}
	b, err := body(old, new)
	if err != nil {
		return nil, fmt.Errorf("make %s patch: %w", codec, err)
	}
	patch := append(AppendHeader(nil, h), b...)
	var out bytes.Buffer
	out.Grow(len(new))
	if err := delta.Apply(context.Background(), codec, bytes.NewReader(old), int64(len(old)), bytes.NewReader(patch), &out, delta.Limits{}); err != nil {
		return nil, fmt.Errorf("prove %s patch: %w", codec, err)
	}
	if !bytes.Equal(out.Bytes(), new) {
		return nil, fmt.Errorf("prove %s patch: it makes another file", codec)
	}
	return patch, nil
}
