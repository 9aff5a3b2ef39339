package delta

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// The limits of a zstd patch. Together they bound the decoder at about 25 MB, whatever the size of the files, and its time by that of
// the result.
const (
	zstdLeast  = 64 << 10           // bytes of the result that one frame makes, at least, but for the last one: each reads its window
	zstdChunk  = 4 << 20            // bytes of the result that one frame makes, at most
	zstdWindow = 8 << 20            // bytes of the base that one frame may refer to, at most
	zstdFrame  = zstdChunk + 64<<10 // bytes of one frame, at most: zstd adds three bytes to 128 KiB it cannot compress
	zstdDictID = 1                  // names the window in the frame; nothing else is meant by it
)

func decodeZstd(ctx context.Context, j job) error {
	r := bufio.NewReader(j.patch)
	var window, frame []byte
	for left := j.size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		// What precedes each frame: how many bytes of the result it makes, where its window of the base is and how long,
		// how long the frame itself is.
		var part [4]int64
		for i := range part {
			v, err := binary.ReadUvarint(r)
			if err != nil {
				return fmt.Errorf("read part: %w", err)
			}
			part[i] = int64(min(v, MaxFile+1))
		}
		size, offset := part[0], part[1]
		if size < min(left, zstdLeast) || size > min(left, zstdChunk) || part[2] > zstdWindow || offset+part[2] > j.baseSize || part[3] > zstdFrame {
			return fmt.Errorf("read part: it makes %d of %d bytes from a frame of %d and a window of %d at %d", size, left, part[3], part[2], offset)
		}
		window, frame = slices.Grow(window[:0], int(part[2]))[:part[2]], slices.Grow(frame[:0], int(part[3]))[:part[3]]
		if _, err := io.ReadFull(io.NewSectionReader(j.base, offset, part[2]), window); err != nil {
			return fmt.Errorf("read base: %w", err)
		}
		if _, err := io.ReadFull(r, frame); err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		chunk, err := zstdDecodeFrame(window, frame, size)
		if err != nil {
			return fmt.Errorf("decode frame: %w", err)
		}
		if _, err := j.out.Write(chunk); err != nil {
			return err
		}
		left -= size
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return errors.New("something follows its last frame")
	}
	return nil
}

func zstdDecodeFrame(window, frame []byte, size int64) ([]byte, error) {
	opts := []zstd.DOption{
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(zstdChunk), zstd.WithDecodeAllCapLimit(true),
	}
	if len(window) > 0 {
		opts = append(opts, zstd.WithDecoderDictRaw(zstdDictID, window))
	}
	dec, err := zstd.NewReader(nil, opts...)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	chunk, err := dec.DecodeAll(frame, make([]byte, 0, size))
	if err == nil && int64(len(chunk)) != size {
		err = fmt.Errorf("it makes %d bytes where %d were said", len(chunk), size)
	}
	return chunk, err
}
