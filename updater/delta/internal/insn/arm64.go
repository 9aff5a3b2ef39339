package insn

var forms = [...]struct {
	mask, is uint32
	kind     Kind
}{
	{0x7C000000, 0x14000000, Branch26}, {0xFF000010, 0x54000000, Branch19}, {0x7E000000, 0x34000000, Branch19}, {0x7E000000, 0x36000000, Branch14},
	{0x9F000000, 0x90000000, Page}, {0xFFC00000, 0x91000000, Low12}, {0x3B000000, 0x39000000, Low12},
}

// ARM64 returns the kind of the field of an instruction; scale is by how many bits the field of low bits is shifted.
func ARM64(w uint32) (k Kind, scale uint16) {
	for i := range forms {
		if f := &forms[i]; w&f.mask == f.is {
			if f.mask == 0x3B000000 { // a load or store, of so many bytes
				scale = uint16(w >> 30)
				if w&0x04800000 == 0x04800000 { // of a vector register of 128 bits
					scale = 4
				}
			}
			return f.kind, scale
		}
	}
	return None, 0
}
