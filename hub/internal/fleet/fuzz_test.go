package fleet

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

// FuzzDecode: a message of the stream is read whole or not at all, and as many results as it says.
func FuzzDecode(f *testing.F) {
	good, err := wire.Marshal(&wire.Batch{Epoch: 7, First: 1, Last: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mark.Subject("ab", 7), good)
	f.Add(mark.Subject("ab", 8), good)
	f.Add("results", []byte{0xff})
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		a, err := decode(bus.Message{Subject: subject, Data: data})
		if err == nil && uint64(len(a.items)) != a.batch.GetLast()-a.batch.GetFirst()+1 {
			t.Fatalf("%d results of %d to %d", len(a.items), a.batch.GetFirst(), a.batch.GetLast())
		}
	})
}

// FuzzNumber: a number comes back from its JSON.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"null", "1.5", "-0", "1e308", "1e999", `"1"`, "NaN", "0x10"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var n, again Number
		if json.Unmarshal(data, &n) != nil {
			return
		}
		text, err := json.Marshal(n)
		if err != nil || json.Unmarshal(text, &again) != nil || again != n && !(math.IsNaN(float64(n)) && math.IsNaN(float64(again))) {
			t.Fatalf("%s is %v, written %s, and that is %v", data, n, text, again)
		}
	})
}
