package match

import "github.com/limpet-monitoring/limpet/updater/delta/internal/walk"

// threshold is how many bytes better than the copy at hand a match must be to end it.
const threshold = 8

// scanner finds approximate matches as Colin Percival's bsdiff does: an exact match that beats the copy at hand begins
// a new one, and copies are extended to both sides as long as more than half of their bytes agree.
type scanner struct {
	old, new []byte
	order    []int32
	copies   []walk.Copy
}

func scan(order []int32, old, new []byte) []walk.Copy {
	s := scanner{old: old, new: new, order: order}
	at, place, n := 0, 0, 0             // the match at hand
	lastAt, lastPlace, shift := 0, 0, 0 // where the last copy begins
	for at < len(new) {
		at += n
		score := 0
		counted := at
		for ; at < len(new); at++ {
			place, n = longest(order, old, new[at:])
			for ; counted < at+n; counted++ {
				if s.same(counted+shift, counted) {
					score++
				}
			}
			if n == score && n != 0 || n > score+threshold {
				break
			}
			if s.same(at+shift, at) {
				score--
			}
		}
		if n == score && at < len(new) {
			continue
		}
		forward := s.forward(lastAt, lastPlace, at)
		backward := 0
		if at < len(new) {
			backward = s.backward(lastAt, at, place)
		}
		if over := lastAt + forward - (at - backward); over > 0 {
			forward, backward = s.share(lastAt, lastPlace, at, place, forward, backward, over)
		}
		if forward > 0 {
			s.copies = append(s.copies, walk.Copy{New: uint32(lastAt), Old: uint32(lastPlace), Len: uint32(forward)})
		}
		lastAt, lastPlace, shift = at-backward, place-backward, place-at
	}
	return s.copies
}

func (s *scanner) same(o, n int) bool {
	return o >= 0 && o < len(s.old) && s.old[o] == s.new[n]
}

// forward returns how far the copy that begins at n goes on before more than half of it is wrong.
func (s *scanner) forward(n, o, end int) int {
	good, best, length := 0, 0, 0
	for i := 0; n+i < end && o+i < len(s.old); {
		if s.old[o+i] == s.new[n+i] {
			good++
		}
		i++
		if 2*good-i > best {
			best, length = 2*good-i, i
		}
	}
	return length
}

// backward returns how far the match at n reaches back.
func (s *scanner) backward(limit, n, o int) int {
	good, best, length := 0, 0, 0
	for i := 1; n >= limit+i && o >= i; i++ {
		if s.old[o-i] == s.new[n-i] {
			good++
		}
		if 2*good-i > best {
			best, length = 2*good-i, i
		}
	}
	return length
}

// share cuts two copies that overlap where it costs least.
func (s *scanner) share(lastAt, lastPlace, at, place, forward, backward, over int) (int, int) {
	good, best, cut := 0, 0, 0
	for i := range over {
		if s.new[lastAt+forward-over+i] == s.old[lastPlace+forward-over+i] {
			good++
		}
		if s.new[at-backward+i] == s.old[place-backward+i] {
			good--
		}
		if good > best {
			best, cut = good, i+1
		}
	}
	return forward + cut - over, backward - cut
}
