package systemd

import (
	"context"
	"fmt"
)

// End is what becomes of the host.
type End int

// Kinds of End.
const (
	Stays   End = iota
	Reboots     // it comes back
	Ends        // halt, power off, or nobody can say
)

// HostEnd asks systemd whether it is taking the whole host down. An error where nobody can be asked.
func HostEnd(ctx context.Context) (End, error) { return New().hostEnd(ctx) }

func (c *Check) hostEnd(ctx context.Context) (End, error) {
	l, destination, end, err := c.dial(ctx)
	if err != nil {
		return Stays, err
	}
	defer end()
	r, err := l.property(destination, "", "Manager", "SystemState", "s")
	if err != nil {
		return Stays, err
	}
	if r.text() != "stopping" || r.err != nil {
		return Stays, r.err
	}
	for _, target := range []string{"reboot", "kexec"} {
		r, err := l.property(destination, "/unit/"+target+"_2etarget", "Unit", "Job", "(uo)")
		if err != nil {
			continue // a systemd that does not know this one
		}
		r.align(8)
		if job := r.uint32(); job != 0 && r.err == nil {
			return Reboots, nil
		}
	}
	return Ends, nil
}

// property asks for one of systemd's, of the kind that is expected.
func (l *line) property(destination, path, iface, name, kind string) (*reader, error) {
	var body writer
	body.text("org.freedesktop.systemd1." + iface)
	body.text(name)
	r, err := l.call(destination, "/org/freedesktop/systemd1"+path, "Get", "org.freedesktop.DBus.Properties", "ss", body.b)
	if err != nil {
		return nil, fmt.Errorf("ask systemd: %w", err)
	}
	if got := r.signature(); got != kind {
		return nil, errMessage
	}
	return r, nil
}
