package main

// helpers is compiled into the package under test: one function an operator, which
// does what the code said unless its number is switched on.
const helpers = `
import (
	"cmp"
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutActive, _ = strconv.Atoi(os.Getenv("MUTATE_ACTIVE"))
	mutReached   = mutOpen(os.Getenv("MUTATE_REACHED"))
	mutSeen      [mutCount + 1]atomic.Bool
)

func mutOpen(name string) *os.File {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		panic(err)
	}
	return f
}

func mutOn(id int) bool {
	if mutReached != nil {
		mutReach(id)
	}
	return id == mutActive
}

func mutReach(id int) {
	if !mutSeen[id].Swap(true) {
		mutReached.WriteString(strconv.Itoa(id) + "\n")
	}
}

type mutInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

func mutOff(id int) bool          { return !mutOn(id) }
func mutBool(id int, v bool) bool { return v != mutOn(id) }

func mutAnd(id int, a bool, b func() bool) bool {
	if mutOn(id) {
		return a || b()
	}
	return a && b()
}

func mutOr(id int, a bool, b func() bool) bool {
	if mutOn(id) {
		return a && b()
	}
	return a || b()
}

func mutLss[T cmp.Ordered](id int, a, b T) bool { return a < b || mutOn(id) && a == b }
func mutLeq[T cmp.Ordered](id int, a, b T) bool { return a < b || mutOff(id) && a == b }
func mutGtr[T cmp.Ordered](id int, a, b T) bool { return a > b || mutOn(id) && a == b }
func mutGeq[T cmp.Ordered](id int, a, b T) bool { return a > b || mutOff(id) && a == b }

func mutPick[T any](id int, a, b T) T {
	if mutOn(id) {
		return b
	}
	return a
}

func mutAdd[T mutInteger](id int, a, b T) T    { return mutPick(id, a+b, a-b) }
func mutSub[T mutInteger](id int, a, b T) T    { return mutPick(id, a-b, a+b) }
func mutRem[T mutInteger](id int, a, b T) T    { return mutPick(id, a%b, a*b) }
func mutQuo[T mutInteger](id int, a, b T) T    { return mutPick(id, a/b, a*b) }
func mutBitAnd[T mutInteger](id int, a, b T) T { return mutPick(id, a&b, a|b) }
func mutBitOr[T mutInteger](id int, a, b T) T  { return mutPick(id, a|b, a&b) }
func mutXor[T mutInteger](id int, a, b T) T    { return mutPick(id, a^b, a&b) }
func mutAndNot[T mutInteger](id int, a, b T) T { return mutPick(id, a&^b, a&b) }

func mutMul[T mutInteger](id int, a, b T) T {
	if mutOn(id) {
		return a / b
	}
	return a * b
}

func mutShl[T, U mutInteger](id int, a T, b U) T { return mutPick(id, a<<b, a>>b) }
func mutShr[T, U mutInteger](id int, a T, b U) T { return mutPick(id, a>>b, a<<b) }

func mutStepInc[T mutInteger](id int, v T) T { return mutPick(id, v+1, v-1) }
func mutStepDec[T mutInteger](id int, v T) T { return mutPick(id, v-1, v+1) }
func mutInt[T mutInteger](id int, v T) T     { return mutPick(id, v, v+1) }
func mutTwice[T mutInteger](id int, v T) T   { return mutPick(id, v, 2*v) }
func mutMore[T mutInteger](id int, v T) T    { return mutPick(id, v, v+1) }

func mutErr(id int, err error) error   { return mutPick(id, err, nil) }
func mutText(id int, s string) string  { return mutPick(id, s, "") }

func mutZero[T any](id int, v T) T {
	var none T
	return mutPick(id, v, none)
}
`
