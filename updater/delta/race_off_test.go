//go:build !race

package delta_test

const flipStep = 1
