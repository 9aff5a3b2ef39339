package builtin

import (
	"context"
	"testing"
)

// BenchmarkRun is one run of each default check on this box, and a round of them all.
func BenchmarkRun(b *testing.B) {
	env := Env{}
	for _, c := range Defaults() {
		b.Run(c.Name, func(b *testing.B) {
			r := New(env)
			b.ReportAllocs()
			for b.Loop() {
				r.Run(context.Background(), c.Builtin, c.Args)
			}
		})
	}
	b.Run("round", func(b *testing.B) {
		r, checks := New(env), Defaults()
		b.ReportAllocs()
		for b.Loop() {
			for _, c := range checks {
				r.Run(context.Background(), c.Builtin, c.Args)
			}
		}
	})
}
