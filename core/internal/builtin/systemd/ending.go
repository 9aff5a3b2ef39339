package systemd

import (
	"context"
	"fmt"
)

// Ending says whether systemd is taking the whole host down: shutdown, reboot, or their like. An error where nobody can be asked.
func Ending(ctx context.Context) (bool, error) { return New().ending(ctx) }

func (c *Check) ending(ctx context.Context) (bool, error) {
	l, destination, end, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	var body writer
	body.text("org.freedesktop.systemd1.Manager")
	body.text("SystemState")
	r, err := l.call(destination, "/org/freedesktop/systemd1", "Get", "org.freedesktop.DBus.Properties", "ss", body.b)
	if err != nil {
		return false, fmt.Errorf("ask systemd: %w", err)
	}
	if kind := r.signature(); kind != "s" {
		return false, errMessage
	}
	state := r.text()
	return state == "stopping", r.err
}
