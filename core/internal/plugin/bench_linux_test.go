package plugin

import (
	"bytes"
	"os/exec"
	"syscall"
	"testing"
)

// cpu is the user and system time of this process and of the children it waited for.
func cpu() (ns int64) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		syscall.Getrusage(who, &u)
		ns += u.Utime.Nano() + u.Stime.Nano()
	}
	return ns
}

// Each run's CPU time is the figure to compare: a busy machine does not change it much.
func benchRuns(b *testing.B, one func()) {
	before := cpu()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			one()
		}
	})
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e3, "cpu-µs/run")
}

func BenchmarkRuns(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		benchRuns(b, func() {
			var out, errs bytes.Buffer
			c := exec.Command("/bin/true")
			c.Stdout, c.Stderr = &out, &errs
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			c.Run()
		})
	})
	b.Run("marks", func(b *testing.B) {
		benchRuns(b, func() { Run(b.Context(), Spec{Check: "x", Path: "/bin/true"}, nil) })
	})
	b.Run("slots", func(b *testing.B) {
		s, err := OpenSlots(Limits{Processes: DefaultProcesses})
		if err != nil {
			b.Skip(err)
		}
		defer s.Close()
		benchRuns(b, func() { Run(b.Context(), Spec{Check: "x", Path: "/bin/true", Slots: s}, nil) })
	})
}
