package encode

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdMake       = 1 << 20 // bytes of the result in each frame that is made here
	zstdMakeWindow = 2 << 20 // bytes of its window: the encoder forgets the beginning of larger ones
	zstdDictID     = 1       // names the window in the frame; nothing else is meant by it
)

func zstdBody(old, new []byte) ([]byte, error) {
	var body []byte
	votes := newVotes(old)
	for at := 0; at < len(new); at += zstdMake {
		chunk := new[at:min(at+zstdMake, len(new))]
		from, to := votes.window(chunk)
		frame, err := zstdEncodeFrame(old[from:to], chunk)
		if err != nil {
			return nil, err
		}
		for _, v := range []int{len(chunk), from, to - from, len(frame)} {
			body = binary.AppendUvarint(body, uint64(v))
		}
		body = append(body, frame...)
	}
	return body, nil
}

func zstdEncodeFrame(window, chunk []byte) ([]byte, error) {
	opts := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(16 << 20), zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false),
	}
	if len(window) > 0 {
		opts = append(opts, zstd.WithEncoderDictRaw(zstdDictID, window))
	}
	enc, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		return nil, fmt.Errorf("start encoder: %w", err)
	}
	defer enc.Close()
	return enc.EncodeAll(chunk, nil), nil
}
