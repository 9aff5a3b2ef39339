package main

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// packCodec is the one that every fetcher knows: a plain zstd stream.
const packCodec = "zstd"

// packWindow is how far back a packed core may refer, in bytes: what a fetcher has
// to keep, whose memory is bounded.
const packWindow = 8 << 20

// pack compresses a core, and proves the result by unpacking it.
func pack(core []byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(packWindow), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("pack core: %w", err)
	}
	var packed bytes.Buffer
	enc.Reset(&packed) // as a stream: a frame made in one piece would ask for a window of its whole length
	if _, err := enc.Write(core); err != nil {
		return nil, fmt.Errorf("pack core: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("pack core: %w", err)
	}
	again, err := unpack(packed.Bytes(), len(core))
	if err != nil {
		return nil, fmt.Errorf("prove packed core: %w", err)
	}
	if !bytes.Equal(again, core) {
		return nil, fmt.Errorf("prove packed core: it unpacks to another file")
	}
	return packed.Bytes(), nil
}

// unpack does what a fetcher does, with its bounds.
func unpack(packed []byte, size int) ([]byte, error) {
	dec, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(packWindow))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	out := bytes.NewBuffer(make([]byte, 0, size))
	_, err = out.ReadFrom(dec)
	return out.Bytes(), err
}
