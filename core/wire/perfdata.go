package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/limpet-monitoring/limpet/core/check"
)

// The numbers of the fields of Perfdata, and of Result's for it.
const (
	perfdataField protowire.Number = 5

	labelField protowire.Number = 1
	valueField protowire.Number = 2
	unitField  protowire.Number = 3
	warnField  protowire.Number = 4
	critField  protowire.Number = 5
	minField   protowire.Number = 6
	maxField   protowire.Number = 7
)

// AppendPerfdata appends values as fields of a Result message, which is what FromResult and marshalling make of them, without the messages in
// between: those take more memory than the values and all that was printed.
func AppendPerfdata(b []byte, values []check.Perfdata) []byte {
	for _, v := range values {
		v = fit(v)
		b = protowire.AppendTag(b, perfdataField, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(perfdataSize(v)))
		b = appendText(b, labelField, v.Label)
		if math.Float64bits(v.Value) != 0 {
			b = appendNumber(b, valueField, v.Value)
		}
		b = appendText(b, unitField, v.Unit)
		b = appendText(b, warnField, v.Warn)
		b = appendText(b, critField, v.Crit)
		if !math.IsNaN(v.Min) {
			b = appendNumber(b, minField, v.Min)
		}
		if !math.IsNaN(v.Max) {
			b = appendNumber(b, maxField, v.Max)
		}
	}
	return b
}

// SizePerfdata is how much AppendPerfdata appends.
func SizePerfdata(values []check.Perfdata) (n int) {
	for _, v := range values {
		n += 1 + protowire.SizeBytes(perfdataSize(fit(v)))
	}
	return n
}

// fit is a value whose strings can be marshalled.
func fit(v check.Perfdata) check.Perfdata {
	v.Label, v.Unit, v.Warn, v.Crit = check.EscapeString(v.Label), check.EscapeString(v.Unit), check.EscapeString(v.Warn), check.EscapeString(v.Crit)
	return v
}

func perfdataSize(v check.Perfdata) (n int) {
	for _, s := range []string{v.Label, v.Unit, v.Warn, v.Crit} {
		if s != "" {
			n += 1 + protowire.SizeBytes(len(s))
		}
	}
	const number = 1 + 8
	if math.Float64bits(v.Value) != 0 {
		n += number
	}
	if !math.IsNaN(v.Min) {
		n += number
	}
	if !math.IsNaN(v.Max) {
		n += number
	}
	return n
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendNumber(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}
