package match

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"index/suffixarray"
	"io"
)

// suffixes returns the suffixes of data in order. The standard library sorts them and keeps the result to itself, but
// for the form that Index.Write and Index.Read share: a length and the data, then blocks of a length and numbers.
func suffixes(data []byte) ([]int32, error) {
	if len(data) == 0 {
		return nil, nil
	}
	index := suffixarray.New(data)
	r, w := io.Pipe()
	go func() { w.CloseWithError(index.Write(w)) }()
	defer r.Close()
	in := bufio.NewReaderSize(r, 1<<16)
	if _, err := in.Discard(binary.MaxVarintLen64 + len(data)); err != nil {
		return nil, fmt.Errorf("sort suffixes: %w", err)
	}
	order := make([]int32, 0, len(data))
	for len(order) < len(data) {
		var head [binary.MaxVarintLen64]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, fmt.Errorf("sort suffixes: %w", err)
		}
		size, _ := binary.Varint(head[:])
		block := io.LimitReader(in, size-binary.MaxVarintLen64)
		b, err := io.ReadAll(block)
		if err != nil {
			return nil, fmt.Errorf("sort suffixes: %w", err)
		}
		for len(b) > 0 {
			v, n := binary.Uvarint(b)
			if n <= 0 || v >= uint64(len(data)) || len(order) == len(data) {
				return nil, errors.New("sort suffixes: the library's form is another one")
			}
			order = append(order, int32(v))
			b = b[n:]
		}
	}
	for i := 1; i < len(order); i += 1 + len(order)/1000 {
		a, b := data[order[i-1]:], data[order[i]:]
		if bytes.Compare(a[:min(len(a), 64)], b[:min(len(b), 64)]) > 0 {
			return nil, errors.New("sort suffixes: they are not in order")
		}
	}
	return order, nil
}

// longest returns the place in old where the longest common beginning with b is, and its length.
func longest(order []int32, old, b []byte) (place, n int) {
	if len(order) == 0 {
		return 0, 0
	}
	lo, hi := 0, len(order)-1
	nlo, nhi := common(old[order[lo]:], b), common(old[order[hi]:], b)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		at := int(order[mid])
		k := min(nlo, nhi)
		k += common(old[at+k:], b[k:])
		if k < len(b) && (at+k == len(old) || old[at+k] < b[k]) {
			lo, nlo = mid, k
		} else {
			hi, nhi = mid, k
		}
	}
	if nlo > nhi {
		return int(order[lo]), nlo
	}
	return int(order[hi]), nhi
}

// maxCommon is as far as matches are followed: comparing longer ones only takes time.
const maxCommon = 1 << 16

func common(a, b []byte) int {
	n := min(len(a), len(b), maxCommon)
	i := 0
	for ; i+8 <= n; i += 8 {
		if binary.LittleEndian.Uint64(a[i:]) != binary.LittleEndian.Uint64(b[i:]) {
			break
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
