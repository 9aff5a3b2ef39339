package history

import (
	"testing"
	"time"
)

func TestHistory(t *testing.T) {
	start := time.Unix(1e9, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	var h History[int]
	if _, _, ok := h.Previous(start); ok {
		t.Error("an empty history has a previous sample")
	}
	h.Add(at(0), 1, time.Minute)
	if _, _, ok := h.Previous(at(999 * time.Millisecond)); ok {
		t.Error("a sample too young was given")
	}
	h.Add(at(500*time.Millisecond), 2, time.Minute)
	if v, age, ok := h.Previous(at(time.Second)); !ok || v != 1 || age != time.Second {
		t.Errorf("previous is %d, %v, %v", v, age, ok)
	}
	for i := range 1000 {
		d := time.Duration(i+2) * 10 * time.Second
		h.Add(at(d), i, 10*time.Minute)
		if v, age, ok := h.Previous(at(d + 10*time.Second)); !ok || v != i || age != 10*time.Second {
			t.Fatalf("previous is %d, %v, %v", v, age, ok)
		}
		_, age, _ := h.Oldest(at(d))
		if i > 70 && (age < 10*time.Minute || age > 11*time.Minute) {
			t.Fatalf("after %v the oldest is %v old", d, age)
		}
		if h.Len() > steps+2 {
			t.Fatalf("%d samples", h.Len())
		}
	}
}

func TestFastRunsKeepFewSamples(t *testing.T) {
	start := time.Unix(1e9, 0)
	var h History[int]
	for i := range 100_000 {
		h.Add(start.Add(time.Duration(i)*time.Second), i, time.Hour)
	}
	_, age, _ := h.Oldest(start.Add(100_000 * time.Second))
	if h.Len() > steps+2 || age < time.Hour || age > 62*time.Minute {
		t.Errorf("%d samples, the oldest %v old", h.Len(), age)
	}
}
