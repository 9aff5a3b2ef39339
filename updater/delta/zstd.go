package delta

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The limits of a zstd patch. Together they bound the decoder at about 25 MB, whatever the size of the files.
const (
	zstdChunk  = 4 << 20            // bytes of the result that one frame makes, at most
	zstdWindow = 8 << 20            // bytes of the base that one frame may refer to, at most
	zstdFrame  = zstdChunk + 64<<10 // bytes of one frame, at most: zstd adds three bytes to 128 KiB it cannot compress
	zstdDictID = 1                  // names the window in the frame; nothing else is meant by it
)

// zstdPart is what precedes each frame, as four unsigned varints in this order.
type zstdPart struct {
	result int64 // bytes of the result that the frame makes
	offset int64 // where its window of the base begins
	window int64 // length of that window; 0 for a frame without one
	frame  int64 // length of the frame
}

func decodeZstd(ctx context.Context, j job) error {
	r := bufio.NewReader(j.patch)
	window, frame := []byte(nil), []byte(nil)
	for left := j.header.Size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := readZstdPart(r, left, j.size)
		if err != nil {
			return err
		}
		window = resize(window, p.window)
		if err := readBase(j.base, window, p.offset); err != nil {
			return err
		}
		frame = resize(frame, p.frame)
		if _, err := io.ReadFull(r, frame); err != nil {
			return fmt.Errorf("read frame: %w", noEOF(err))
		}
		chunk, err := zstdDecodeFrame(window, frame, p.result)
		if err != nil {
			return err
		}
		if _, err := j.out.Write(chunk); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		left -= p.result
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
		return nil, fmt.Errorf("start decoder: %w", err)
	}
	defer dec.Close()
	chunk, err := dec.DecodeAll(frame, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("decode frame: %w", err)
	}
	if int64(len(chunk)) != size {
		return nil, fmt.Errorf("decode frame: it makes %d bytes where %d were said", len(chunk), size)
	}
	return chunk, nil
}

// readZstdPart reads what precedes a frame and checks it before anything is made of it.
func readZstdPart(r *bufio.Reader, left, base int64) (zstdPart, error) {
	var v [4]int64
	for i := range v {
		u, err := binary.ReadUvarint(r)
		if err != nil {
			return zstdPart{}, fmt.Errorf("read part: %w", noEOF(err))
		}
		v[i] = int64(min(u, MaxFile+1))
	}
	p := zstdPart{result: v[0], offset: v[1], window: v[2], frame: v[3]}
	switch {
	case p.result == 0 || p.result > min(left, zstdChunk):
		return p, fmt.Errorf("read part: it makes %d bytes, at most %d are possible", p.result, min(left, zstdChunk))
	case p.window > zstdWindow || p.offset > base || p.window > base-p.offset:
		return p, fmt.Errorf("read part: its window of %d bytes at %d is not in the base", p.window, p.offset)
	case p.frame > zstdFrame:
		return p, fmt.Errorf("read part: a frame of %d bytes is over the limit of %d", p.frame, zstdFrame)
	}
	return p, nil
}

func readBase(base io.ReaderAt, b []byte, offset int64) error {
	if n, err := base.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("read base: %w", noEOF(err))
	}
	return nil
}

func resize(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
