package cron

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	after := time.Date(2026, 3, 1, 12, 0, 30, 5, time.UTC)
	for expr, want := range map[string]string{
		"*/5 * * * *":                          "2026-03-01T12:05:00Z",
		"CRON_TZ=Asia/Tokyo 0 9 * * *":         "2026-03-02T00:00:00Z",
		"TZ=UTC 30 4 1 * *":                    "2026-04-01T04:30:00Z",
		"CRON_TZ=UTC  0 0 29 2 *":              "2028-02-29T00:00:00Z",
		"CRON_TZ=UTC 0 0 * * MON-FRI":          "2026-03-02T00:00:00Z",
		"CRON_TZ=UTC 0,30 12-13/1 * JAN-DEC *": "2026-03-01T12:30:00Z",
	} {
		c, err := Parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := c.Next(after).UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%s: next %s, want %s", expr, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, expr := range []string{"", "* * * *", "* * * * * *", "@hourly", "@every 1s", "60 * * * *", "*/0 * * * *", "a b c d e",
		"TZ=", "CRON_TZ= * * * * *", "TZ=../etc/passwd * * * * *", "CRON_TZ=Nowhere/Land * * * * *", "TZ=UTC", strings.Repeat("*,", 300) + "* * * * *"} {
		if _, err := Parse(expr); err == nil {
			t.Errorf("%q was read", expr)
		}
	}
	if _, err := Parse("0 0 30 2 *"); !errors.Is(err, ErrNever) {
		t.Errorf("30 February: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "CRON_TZ=UTC 0 0 1-7 * MON", "TZ= ", "*/7,3-9/2 ? * JAN *", "TZ=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			return
		}
		now := time.Now()
		if next := c.Next(now); !next.After(now) {
			t.Fatalf("%q: next %v is not after %v", s, next, now)
		}
	})
}
