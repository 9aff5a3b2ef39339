package desired

// nearest gives the candidate that word was probably meant to be, or "".
func nearest(word string, candidates []string) string {
	const longest = 24 // no key is longer; keeps the table small for hostile words
	if len(word) > longest {
		return ""
	}
	best, at := "", 3 // two slips at most,
	for _, c := range candidates {
		if d := slips(word, c); d < at && d*2 <= len(c) { // and never half of a word
			best, at = c, d
		}
	}
	return best
}

// slips counts the insertions, deletions, changes and swaps of neighbours between two words.
func slips(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
