package collector

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTheBudgetOfStarts: what ends at once is started again ever later, and after eight ends in ten minutes not for five.
func TestTheBudgetOfStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b budget
		for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60} {
			want *= time.Second
			if got := b.next(time.Now(), time.Now()); got < want || got > want+want/10 {
				t.Errorf("after end %d it waits %s", n+1, got)
			}
			if told := b.tell(); told != (n == 0) {
				t.Errorf("end %d is told: %v", n+1, told)
			}
			time.Sleep(want)
		}
		if got := b.next(time.Now(), time.Now()); got != loopPause || !b.tell() {
			t.Errorf("after the eighth end it waits %s", got)
		}
		time.Sleep(loopPause)
		if got := b.next(time.Now(), time.Now().Add(-time.Minute)); got > 2*firstWait || b.tell() {
			t.Errorf("after a minute's run it waits %s", got)
		}
		time.Sleep(tellEvery)
		if b.next(time.Now(), time.Now()); !b.tell() {
			t.Error("an end ten minutes later is not told")
		}
	})
}
