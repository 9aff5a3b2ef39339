package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/limpet-monitoring/limpet/updater/dial"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// built is when this program was made, as Unix seconds in text, set when a release is built: TLS is
// not verified at an earlier time.
var built string

// route are the options of the way out that the box file sets.
func (p place) route() (dial.Options, error) {
	o, err := dial.FromBox(p.box)
	o.Memory, o.TimeFloor, o.Built = p.layout.Addresses(), p.passed, builtTime()
	return o, err
}

func builtTime() time.Time {
	var seconds int64
	if _, err := fmt.Sscan(built, &seconds); err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// open is a mirror reached with these options.
func open(place string, o dial.Options) (*fetch.Mirror, error) {
	d, err := dial.New(o)
	if err != nil {
		return nil, err
	}
	return fetch.New(place, d.HTTPTransport())
}

// comeAgain is the wait before another attempt at a download.
func comeAgain() func(ctx context.Context, n int) error {
	b := dial.Backoff{Min: time.Second, Max: 15 * time.Second}
	return func(ctx context.Context, n int) error {
		if n == 1 {
			b.Reset()
		}
		t := time.NewTimer(b.Next())
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// removeIfThere removes a file that need not be there.
func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
