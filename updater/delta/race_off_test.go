//go:build !race

package delta

const flipStep = 1
