//go:build unix && race

package main

// buildFlags make the core what the tests are: with the race detector.
var buildFlags = []string{"-race"}
