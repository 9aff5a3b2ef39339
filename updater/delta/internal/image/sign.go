package image

import "crypto/sha256"

// SignPage is how many bytes each hash of a code signature covers.
const SignPage = 4096

// HashesLen returns the length of the list for limit bytes.
func HashesLen(limit uint32) uint64 {
	return (uint64(limit) + SignPage - 1) / SignPage * sha256.Size
}

// AppendHashes appends the SHA-256 of each page of b, the last of which may be short.
func AppendHashes(list, b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), SignPage)
		sum := sha256.Sum256(b[:n])
		list, b = append(list, sum[:]...), b[n:]
	}
	return list
}
