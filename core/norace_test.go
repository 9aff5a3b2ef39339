//go:build unix && !race

package main

// buildFlags make the core what the tests are: without the race detector.
var buildFlags []string
