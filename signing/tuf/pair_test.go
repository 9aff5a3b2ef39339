package tuf

import "testing"

func TestLater(t *testing.T) {
	order := []string{"0.9.0", "0.10.0-rc2", "0.10.0-rc10", "0.10.0", "0.10.1", "1.0", "1.0.0", "1.0.1", "2", "10"}
	for i, a := range order {
		for j, b := range order {
			if Later(a, b) != (i > j) {
				t.Errorf("Later(%s, %s) is %v", a, b, Later(a, b))
			}
		}
	}
}
