package agent

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestALargeResultIsShownInPart(t *testing.T) {
	small := check.Result{Check: "c", Text: strings.Repeat("x", shownLarge), Perfdata: []check.Perfdata{{Label: "a", Unit: "s", Warn: "1", Crit: "2"}}}
	if got := shown(small); !reflect.DeepEqual(got, small) {
		t.Errorf("a small one became %+v", got)
	}
	large := check.Result{Check: "c", State: check.Critical, Text: "text", Long: strings.Repeat("é", shownLarge), Problems: []string{"first"}}
	for i := range 2 * shownValues {
		large.Perfdata = append(large.Perfdata, check.Perfdata{Label: fmt.Sprint(i), Unit: "s", Warn: "1", Crit: "2"})
	}
	got := shown(large)
	if got.Text != "text" || !strings.HasPrefix(large.Long, got.Long) || len(got.Long) > shownLarge || len(got.Long) < shownLarge-utf8.UTFMax || !utf8.ValidString(got.Long) {
		t.Errorf("text %q, %d bytes of long output", got.Text, len(got.Long))
	}
	if !reflect.DeepEqual(got.Perfdata, large.Perfdata[:shownValues]) {
		t.Error("values are not the first ones")
	}
	if got.State != check.Critical || !got.Truncated || len(got.Problems) != 2 || len(large.Problems) != 1 || large.Truncated {
		t.Errorf("got %v %v %q; the result itself has %q", got.State, got.Truncated, got.Problems, large.Problems)
	}
}
