package weak

import "testing"

func TestLimit(t *testing.T) {
	if Limit(5) != 5 || Limit(11) != 10 {
		t.Error(Limit(5), Limit(11))
	}
}
