package walk

// lineReach is how many lines above one are looked at.
const lineReach = 128

// learnLine remembers that a line of a file, if that is known, has moved by shift.
func (t *tables) learnLine(file uint32, line, shift int32) {
	if key := hash2(file, uint32(line)); file != 0 {
		*slotOf(&t.shifts, key) = known{key, uint32(shift)}
	}
}

// lineMoved returns how far a line has moved, by the nearest line above of which that is known.
func (t *tables) lineMoved(file uint32, line int32) (shift int32, ok bool) {
	for i := line; file != 0 && i > line-lineReach && i > 0; i-- {
		key := hash2(file, uint32(i))
		if s := slotOf(&t.shifts, key); s.key == key {
			return int32(s.value), true
		}
	}
	return 0, false
}
