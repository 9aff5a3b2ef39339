//go:build race

package delta_test

// flipStep is how far apart the bytes are that TestEveryByteFlipped changes: the race detector makes each one slow.
const flipStep = 19
