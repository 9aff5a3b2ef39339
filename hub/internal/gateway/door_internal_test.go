package gateway

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whoever is turned away and comes when he was told to finds a place, if handshakes go as they did.
func TestTurnsAreTakenOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, took, crowd = 4, 100 * time.Millisecond, 400 // 10 s of work
		d := newDoor(places)
		d.took = took
		tries := make(chan int, crowd)
		began := time.Now()
		for range crowd {
			go func() {
				for n := 1; ; n++ {
					leave, ok := d.enter()
					if ok {
						time.Sleep(took)
						leave()
						tries <- n
						return
					}
					time.Sleep(d.turn(time.Now()))
				}
			}()
		}
		most, sum := 0, 0
		for range crowd {
			n := <-tries
			most, sum = max(most, n), sum+n
		}
		if most > 8 || sum > 2*crowd+crowd/2 {
			t.Errorf("%d tries in all, %d by one of them", sum, most)
		}
		if all := time.Since(began); all > 15*time.Second {
			t.Errorf("all were in after %s", all)
		}
	})
}

func TestTurnsStayApartWhenTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(1)
		d.took = time.Second
		seen := map[time.Duration]int{}
		for range 300 {
			turn := d.turn(time.Now())
			if turn < leastRetry || turn > mostRetry {
				t.Fatalf("asked to wait %s", turn)
			}
			seen[turn]++
		}
		if len(seen) < 29 {
			t.Errorf("only %d turns for 300", len(seen))
		}
	})
}

func TestTurnsFollowWhatHandshakesTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(1)
		for range 100 {
			leave, ok := d.enter()
			if !ok {
				t.Fatal("no place")
			}
			if _, ok := d.enter(); ok {
				t.Fatal("two in one place")
			}
			time.Sleep(3 * time.Second)
			leave()
			leave() // twice is once
		}
		first, second := d.turn(time.Now()), d.turn(time.Now())
		if step := second - first; step < 2900*time.Millisecond || step > 3*time.Second {
			t.Errorf("turns are %s apart", step)
		}
	})
}
