// Package ntp is the check "ntp": how far this box's clock is from that of an NTP server, by the options, text and perfdata of check_ntp_time. It
// sets no clock.
package ntp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// samples are taken, the one with the shortest way counts.
const samples = 4

// Limits in seconds of a check that has none, as the plugin's.
const (
	defaultWarn = 60
	defaultCrit = 120
)

type options struct {
	target reach.Target
	limits threshold.Pair // of the offset either way, seconds
	quiet  bool           // -q: UNKNOWN where no server answers
	shift  float64        // -o: seconds by which the clocks are meant to differ
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{limits: threshold.Pair{Warn: threshold.Above(defaultWarn), Crit: threshold.Above(defaultCrit)}}
	var set option.Set
	o.target.Options(&set)
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	set.Flag('q', "quiet", func() { o.quiet = true })
	set.Value('o', "time-offset", func(v string) (err error) {
		o.shift, err = threshold.Number(v)
		return err
	})
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if o.target.Port == 0 {
		o.target.Port = 123
	}
	return o, o.target.Check()
}

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "NTP UNKNOWN - " + err.Error()}
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	best, err := o.measure(ctx)
	if err != nil {
		state := check.Critical
		if o.quiet {
			state = check.Unknown
		}
		why := reach.Explain(err)
		if reach.IsTimeout(err) {
			why = "No response from NTP server"
		}
		return check.Result{State: state, Text: fmt.Sprintf("NTP %s: %s", state, why)}
	}
	offset := best.offset.Seconds() - o.shift
	state := o.limits.State(math.Abs(offset))
	return check.Result{
		State: state, Text: fmt.Sprintf("NTP %s: Offset %.10g secs", state, offset), Long: fmt.Sprintf("stratum %d, round trip %s", best.stratum, best.delay),
		Perfdata: []check.Perfdata{o.limits.Perf("offset", math.Round(offset*1e6)/1e6, "s", math.NaN(), math.NaN())},
	}
}

// sample is one exchange.
type sample struct {
	offset, delay time.Duration // offset: the server's clock minus ours
	stratum       byte
}

// measure asks several times over one socket and takes the answer that travelled fastest.
func (o options) measure(ctx context.Context) (best sample, err error) {
	conn, err := o.target.Dial(ctx, "udp")
	if err != nil {
		return sample{}, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	wait := time.Until(deadline) / samples
	found := false
	for i := range samples {
		if end := time.Now().Add(wait); end.Before(deadline) {
			conn.SetDeadline(end)
		}
		s, askErr := ask(conn)
		if askErr != nil {
			err = askErr
			if !reach.IsTimeout(askErr) || i > 0 && !found {
				break
			}
			continue
		}
		if !found || s.delay < best.delay {
			best, found = s, true
		}
	}
	if found {
		return best, nil
	}
	return sample{}, err
}

// Fields of a packet (RFC 5905, 7.3).
const (
	packet     = 48
	client     = 0x23 // no warning, version 4, mode 3
	modeServer = 4
	unsynced   = 3
	maxStratum = 15
)

var errUnsynced = errors.New("the server's own clock is not synchronised")

// ask makes one exchange.
func ask(conn net.Conn) (sample, error) {
	var out, in [packet]byte
	out[0] = client
	sent := time.Now()
	putTime(out[40:], sent)
	if _, err := conn.Write(out[:]); err != nil {
		return sample{}, err
	}
	for {
		n, err := conn.Read(in[:])
		arrived := time.Now()
		if err != nil {
			return sample{}, err
		}
		if n < packet || in[0]&7 != modeServer || string(in[24:32]) != string(out[40:48]) {
			continue // it answers another question, or none
		}
		if in[0]>>6 == unsynced || in[1] == 0 || in[1] > maxStratum {
			return sample{}, errUnsynced
		}
		received, replied := getTime(in[32:], sent), getTime(in[40:], sent)
		there, back := received.Sub(sent), replied.Sub(arrived)
		return sample{offset: (there + back) / 2, delay: arrived.Sub(sent) - replied.Sub(received), stratum: in[1]}, nil
	}
}

// seconds1900 are those from NTP's epoch to Unix'.
const seconds1900 = 2208988800

func putTime(b []byte, t time.Time) {
	n := t.UnixNano()
	binary.BigEndian.PutUint32(b, uint32(n/1e9+seconds1900))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(n%1e9)<<32/1e9))
}

// getTime reads a time of the era that is nearest to now: NTP's seconds begin anew in 2036.
func getTime(b []byte, now time.Time) time.Time {
	seconds := binary.BigEndian.Uint32(b)
	near := now.Unix() + int64(int32(seconds-uint32(now.Unix()+seconds1900)))
	return time.Unix(near, int64(uint64(binary.BigEndian.Uint32(b[4:]))*1e9>>32))
}
