package patience

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What hangs is waited for as long as there is time, is not asked again, and is heard when it answers.
func TestHangingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Calls[int]
		let, asked := make(chan struct{}), 0
		ask := func() (int, error) { asked++; <-let; return 7, nil }
		begun := time.Now()
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			var hung *HungError
			if _, err := c.Do(ctx, "disk", ask); !errors.As(err, &hung) || !hung.Since.Equal(begun) || time.Since(begun) != time.Duration(i+1)*2*time.Second {
				t.Fatalf("%v after %s", err, time.Since(begun))
			}
			cancel()
		}
		close(let)
		synctest.Wait()
		if v, err := c.Do(t.Context(), "disk", ask); v != 7 || err != nil || asked != 1 {
			t.Errorf("%d, %v, asked %d times", v, err, asked)
		}
		if v, err := c.Do(t.Context(), "disk", ask); v != 7 || err != nil || asked != 2 {
			t.Errorf("%d, %v, asked %d times", v, err, asked)
		}
	})
}

func TestCrowdAndPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Calls[int]
		let := make(chan struct{})
		defer close(let)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range maxPending {
			c.Do(ctx, fmt.Sprint(i), func() (int, error) { <-let; return 0, nil })
		}
		if _, err := c.Do(ctx, "more", func() (int, error) { return 0, nil }); !errors.Is(err, errCrowd) {
			t.Error(err)
		}
		var d Calls[int]
		if _, err := d.Do(t.Context(), "x", func() (int, error) { panic("ouch") }); err == nil || !strings.Contains(err.Error(), "bug of the agent: ouch") {
			t.Error(err)
		}
	})
}

func TestWithinLeavesTimeToTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ has, most, want time.Duration }{
			{10 * time.Second, 0, 9500 * time.Millisecond}, {time.Second, 0, 750 * time.Millisecond}, {10 * time.Second, 3 * time.Second, 3 * time.Second}, {0, 3 * time.Second, 3 * time.Second},
		} {
			outer, cancel := context.WithCancel(t.Context())
			if c.has > 0 {
				outer, cancel = context.WithTimeout(t.Context(), c.has)
			}
			ctx, end := Within(outer, c.most)
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) != c.want {
				t.Errorf("%+v: %s", c, time.Until(deadline))
			}
			end()
			cancel()
		}
	})
}
