package disk

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func options1(t *testing.T, args string) options {
	t.Helper()
	o, err := parse(strings.Fields(args))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// mounts is a box with something of everything.
func mounts() []mount {
	return []mount{
		{"0:21", "/", "/proc", "proc", "proc", false},
		{"254:0", "/", "/", "ext4", "/dev/vda", false},
		{"0:22", "/", "/run", "tmpfs", "tmpfs", false},
		{"8:1", "/", "/boot", "vfat", "/dev/sda1", false},
		{"8:2", "/data", "/srv/jail", "xfs", "/dev/sda2", false}, // a part of the next, bound
		{"8:2", "/", "/var/lib/big data", "xfs", "/dev/sda2", false},
		{"254:0", "/etc", "/srv/etc", "ext4", "/dev/vda", false},
		{"0:40", "/", "/net/home", "nfs4", "nas:/home", false},
		{"8:3", "/", "/net/home/local", "ext4", "/dev/sda3", false}, // the way to it is over the network
		{"7:1", "/", "/snap/core/1", "squashfs", "/dev/loop1", true},
		{"0:41", "/", "/var/lib/docker/overlay2/x/merged", "overlay", "overlay", false},
		{"0:42", "/", "/mnt/ssh", "fuse.sshfs", "me@host:", false},
		{"0:43", "/", "/auto", "autofs", "systemd-1", false},
		{"8:4", "/", "/mnt", "ext4", "/dev/sda4", false},
		{"8:5", "/", "/mnt", "ext4", "/dev/sda5", false}, // over the one before
		{"8:6", "/", "/media/usb", "fuseblk", "/dev/sdb1", false},
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		args, want, missing string
	}{
		{"", "/ /boot /var/lib/big_data /mnt /media/usb", ""},
		{"-x /boot -x /dev/sda5", "/ /var/lib/big_data /media/usb", ""},
		{"-X ext4", "/boot /var/lib/big_data /media/usb", ""},
		{"-N tmpfs -N vfat", "/run /boot", ""},
		{"-N nfs4", "/net/home~", ""},
		{"--network", "/ /boot /var/lib/big_data /net/home~ /net/home/local~ /mnt/ssh~ /mnt /media/usb", ""},
		{"-A", "/proc / /run /boot /var/lib/big_data /snap/core/1 /var/lib/docker/overlay2/x/merged /mnt /media/usb", ""},
		{"-A -i ^/(snap|proc|var/lib/docker)", "/ /run /boot /var/lib/big_data /mnt /media/usb", ""},
		{"-r ^/b -R ^/MNT$", "/boot /mnt", ""},
		{"-I SDA", "/ /media/usb", ""},
		{"-p /var/lib/x -p /boot -p /dev/sda1 -p /net/home/me -p /run", "/:/var/lib/x /boot /boot /net/home:/net/home/me~ /run", ""},
		{"-E -p /var/lib -p /boot", "/boot", "/var/lib"},
		{"-p /bootleg -p /mnt/x/../y", "/:/bootleg /mnt:/mnt/y", ""},
	} {
		targets, missing := choose(options1(t, c.args), mounts())
		var got []string
		for _, x := range targets {
			name := x.point
			if x.at != x.point {
				name += ":" + x.at
			}
			if x.remote {
				name += "~"
			}
			got = append(got, strings.ReplaceAll(name, " ", "_"))
		}
		if strings.Join(got, " ") != c.want || strings.Join(missing, " ") != c.missing {
			t.Errorf("%q: got %q, want %q; missing %q", c.args, got, c.want, missing)
		}
	}
}

func TestOverlayRootOfAContainerCounts(t *testing.T) {
	targets, _ := choose(options1(t, ""), []mount{{"0:50", "/", "/", "overlay", "overlay", false}})
	if len(targets) != 1 {
		t.Errorf("%+v", targets)
	}
}

// gibs is a filesystem of so many GiB with so many free, and inodes in percent.
func gibs(total, free float64, inodes uint64) usage {
	return usage{uint64(total * gib), uint64(free * gib), uint64(free * gib), 100, inodes}
}

func TestState(t *testing.T) {
	for _, c := range []struct {
		args     string
		u        usage
		readOnly bool
		want     check.State
	}{
		{"", gibs(100, 20, 50), false, check.OK},
		{"", gibs(100, 9, 50), false, check.Warning},
		{"", gibs(100, 4, 50), false, check.Critical},
		{"", gibs(10000, 30, 50), false, check.OK}, // 0.3 %, but 30 GiB is plenty
		{"", gibs(10000, 15, 50), false, check.Warning},
		{"", gibs(10000, 9, 50), false, check.Critical},
		{"", gibs(100, 50, 4), false, check.Warning},
		{"", gibs(100, 50, 1), false, check.Critical},
		{"", usage{total: gib, free: gib, available: gib}, false, check.OK}, // no inodes
		{"", gibs(100, 0, 0), true, check.OK},                               // read-only, full by nature
		{"-w 10%", gibs(100, 0, 0), true, check.Warning},                    // but somebody asked
		{"-w 10% -c 5%", gibs(100, 10, 50), false, check.Warning},
		{"-w 10% -c 5%", gibs(1000, 109, 50), false, check.Warning}, // 10.9 %, in whole percents used 90
		{"-w 10% -c 5%", gibs(1000, 110, 50), false, check.OK},
		{"-w 10.5% -c 5%", gibs(1000, 109, 50), false, check.Warning},
		{"-w 10000 -c 5000", gibs(100, 9, 50), false, check.Warning}, // MiB
		{"-w 10 -c 5 -u GB", gibs(100, 5, 50), false, check.Critical},
		{"-c 5%", gibs(100, 6, 0), false, check.OK},
		{"-W 60% -K 40", gibs(100, 0, 50), false, check.Warning},
	} {
		o := options1(t, c.args)
		x := target{mount: mount{point: "/", readOnly: c.readOnly}, limits: o.limits}
		if got := x.state(o, c.u); got != c.want {
			t.Errorf("%q of %+v: %s, want %s", c.args, c.u, got, c.want)
		}
	}
}

func TestLimitsBelongToTheirPath(t *testing.T) {
	o := options1(t, "-w 10% -c 5% -p / -C -w 2% -p /boot -u GB -C -w 3 -p /mnt")
	var got []string
	for _, p := range o.paths {
		got = append(got, p.path+perf(p.limits.warn, 100*gib)+"/"+perf(p.limits.crit, 100*gib))
	}
	want := "/96636764160/102005473280 /boot105226698752/ /mnt104152956928/"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// box gives a check of some filesystems that answer through ask.
func box(ask func(string) (usage, error)) *probes { return &probes{ask: ask} }

func TestHungMountNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, asked := make(chan struct{}), new(atomic.Int32)
		p := box(func(path string) (usage, error) {
			if path == "/net/home" {
				asked.Add(1)
				<-release
			}
			return gibs(100, 50, 50), nil
		})
		o := options1(t, "-N nfs4 -N ext4")
		targets, _ := choose(o, mounts())
		run := func(limit time.Duration) (check.Result, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			begun := time.Now()
			answers := p.all(ctx, targets)
			return judge(o, targets, answers, nil), time.Since(begun)
		}
		for i, limit := range []time.Duration{10 * time.Second, 2 * time.Second, 100 * time.Millisecond} {
			got, took := run(limit)
			if got.State != check.Critical || !strings.Contains(got.Text, "/net/home does not answer since 2000-01-01T00:00:00Z; / 50.0 GiB (50% inode=50%)") {
				t.Errorf("run %d: %+v", i, got)
			}
			if took > min(patience, limit) || took < limit/4 {
				t.Errorf("run %d took %v of %v", i, took, limit)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("it was asked %d times", asked.Load())
		}
		close(release)
		synctest.Wait()
		if got, took := run(10 * time.Second); got.State != check.OK || took != 0 || asked.Load() != 1 {
			t.Errorf("when it answered: %+v after %v, asked %d times", got, took, asked.Load())
		}
	})
}

func TestHungMountsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, asked := make(chan struct{}), make(chan struct{}, 1000)
		p := box(func(string) (usage, error) { asked <- struct{}{}; <-release; return usage{}, nil })
		var targets []target
		for i := range 2 * maxProbes {
			point := "/net/" + strings.Repeat("x", i+1)
			targets = append(targets, target{mount: mount{point: point}, at: point, remote: true})
		}
		answers := p.all(t.Context(), targets)
		if len(asked) != maxProbes || !answers[0].hung || !errors.Is(answers[2*maxProbes-1].err, errCrowd) {
			t.Errorf("%d asked, %+v", len(asked), answers[2*maxProbes-1])
		}
		close(release)
	})
}

func TestJudgeTells(t *testing.T) {
	refused := errors.New("permission denied")
	targets := []target{
		{mount: mount{point: "/", kind: "ext4", source: "/dev/vda"}, at: "/", limits: defaultLimits()},
		{mount: mount{point: "/secret"}, at: "/secret", limits: defaultLimits()},
		{mount: mount{point: "/named"}, at: "/named", limits: defaultLimits(), named: true},
		{mount: mount{point: "/odd"}, at: "/odd", limits: defaultLimits()},
	}
	answers := []answer{{usage: gibs(100, 4, 50)}, {err: refused}, {err: refused}, {usage: usage{}}}
	got := judge(options1(t, "-M -P"), targets, answers, []string{"/missing"})
	if got.Text != "DISK CRITICAL - free space: /missing is not a mount point; /dev/vda 4.0 GiB (4% inode=50%); /named is not accessible: permission denied" {
		t.Errorf("%q", got.Text)
	}
	if len(got.Problems) != 1 || got.Problems[0] != "/secret is not accessible: permission denied" {
		t.Errorf("%q", got.Problems)
	}
	if got.Long != "CRITICAL: / (ext4 on /dev/vda) 96.0 GiB of 100.0 GiB used, 4.0 GiB free (4.0%), 50 of 100 inodes free (50.0%)" {
		t.Errorf("%q", got.Long)
	}
	want := []check.Perfdata{
		{Label: "/dev/vda", Value: 96 * gib, Unit: "B", Warn: "96636764160", Crit: "102005473280", Max: 100 * gib},
		{Label: "/dev/vda (inodes)", Value: 50, Warn: "95", Crit: "98", Max: 100},
	}
	if len(got.Perfdata) != 2 || got.Perfdata[0] != want[0] || got.Perfdata[1] != want[1] {
		t.Errorf("%+v", got.Perfdata)
	}
}

func TestErrorsOnlyAndNothing(t *testing.T) {
	one := []target{{mount: mount{point: "/"}, at: "/", limits: defaultLimits()}}
	for _, c := range []struct {
		args    string
		targets []target
		want    string
		state   check.State
	}{
		{"-e", one, "DISK OK", check.OK},
		{"", nil, "DISK OK - no filesystem to check", check.OK},
		{"-N zfs", nil, "DISK UNKNOWN - no filesystem to check", check.Unknown},
	} {
		answers := make([]answer, len(c.targets))
		for i := range answers {
			answers[i].usage = gibs(100, 50, 50)
		}
		if got := judge(options1(t, c.args), c.targets, answers, nil); got.Text != c.want || got.State != c.state {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
}

func TestManyAreBounded(t *testing.T) {
	var targets []target
	var answers []answer
	for i := range 2 * maxTold {
		point := "/" + strings.Repeat("m", i+1)
		targets = append(targets, target{mount: mount{point: point}, at: point, limits: defaultLimits()})
		answers = append(answers, answer{usage: gibs(1, 0.5, 50)})
	}
	got := judge(options1(t, ""), targets, answers, nil)
	if len(got.Perfdata) != maxTold || !strings.HasSuffix(got.Text, "; 248 more") {
		t.Errorf("%d values, %q", len(got.Perfdata), got.Text)
	}
}
