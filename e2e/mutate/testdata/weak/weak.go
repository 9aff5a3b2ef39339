// Package weak is changed by the tests of the mutation tool.
package weak

const most = 10

// Limit is n, and at most ten.
func Limit(n int) int {
	if n > most {
		return most
	}
	return n
}

// Unseen is what no test calls.
func Unseen(n int) int { return n * 2 }
