package tuf

import "testing"

func TestLater(t *testing.T) {
	order := []string{"", "0.9.0", "0.10.0-beta", "0.10.0-rc", "0.10.0-rc2", "0.10.0-rc10", "0.10.0", "0.10.0a", "0.10.0b", "0.10.1", "1.0", "1.0.0", "1.0.1", "2", "10",
		"999999999999999999", "1000000000000000000", "99999999999999999999", "100000000000000000000"}
	for i, a := range order {
		for j, b := range order {
			if Later(a, b) != (i > j) {
				t.Errorf("Later(%s, %s) is %v", a, b, Later(a, b))
			}
		}
	}
	if Later("1.010", "1.10") || Later("1.10", "1.010") {
		t.Error("zeros in front count")
	}
}
