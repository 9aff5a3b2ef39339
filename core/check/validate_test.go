package check

import (
	"os"
	"strings"
	"testing"
	"time"
)

func good() Check { return Check{Name: "web", Plugin: "check_http", Every: time.Minute} }

func TestValidate(t *testing.T) {
	program, err := os.Executable() // an absolute path, as this system writes it
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		change func(*Check)
		want   string // part of the error, "" = none
	}{
		{"as it is", func(c *Check) {}, ""},
		{"cron instead", func(c *Check) { c.Every, c.Cron = 0, "* * * * *" }, ""},
		{"builtin", func(c *Check) { c.Plugin, c.Builtin = "", "disk" }, ""},
		{"longest name", func(c *Check) { c.Name = strings.Repeat("a", 64) }, ""},
		{"no name", func(c *Check) { c.Name = "" }, "name"},
		{"long name", func(c *Check) { c.Name = strings.Repeat("a", 65) }, "name"},
		{"path in name", func(c *Check) { c.Name = "../x" }, "name"},
		{"dots", func(c *Check) { c.Name = ".." }, "name"},
		{"umlaut", func(c *Check) { c.Name = "gerät" }, "name"},
		{"nothing to run", func(c *Check) { c.Plugin = "" }, "neither builtin nor plugin"},
		{"two things to run", func(c *Check) { c.Builtin = "disk" }, "both builtin"},
		{"path as plugin", func(c *Check) { c.Plugin = "/bin/sh" }, "bare name"},
		{"path of Windows", func(c *Check) { c.Plugin = `..\x.bat` }, "bare name"},
		{"stream of Windows", func(c *Check) { c.Plugin = "a.ps1:x" }, "bare name"},
		{"hidden plugin", func(c *Check) { c.Plugin = ".x" }, "bare name"},
		{"a command line", func(c *Check) { c.Plugin, c.Command, c.User = "", []string{program, "x"}, "nagios" }, ""},
		{"a command line without a path", func(c *Check) { c.Plugin, c.Command = "", []string{"echo"} }, "absolute path"},
		{"a command line and a plugin", func(c *Check) { c.Command = []string{"/bin/echo"} }, "keep one"},
		{"a command line and arguments", func(c *Check) { c.Plugin, c.Command, c.Args = "", []string{"/bin/echo"}, []string{"x"} }, "keep one"},
		{"a long command line", func(c *Check) { c.Plugin, c.Command = "", append([]string{program}, make([]string, 64)...) }, "65 arguments"},
		{"no time", func(c *Check) { c.Every = 0 }, "neither every nor cron"},
		{"two times", func(c *Check) { c.Cron = "* * * * *" }, "both every and cron"},
		{"too often", func(c *Check) { c.Every = 999 * time.Millisecond }, "every"},
		{"too seldom", func(c *Check) { c.Every = 25 * time.Hour }, "every"},
		{"negative", func(c *Check) { c.Every = -time.Second }, "every"},
		{"long cron", func(c *Check) { c.Every, c.Cron = 0, strings.Repeat("*", 600) }, "cron expression of 600 bytes"},
		{"long timeout", func(c *Check) { c.Timeout = 11 * time.Minute }, "timeout"},
		{"negative timeout", func(c *Check) { c.Timeout = -1 }, "timeout"},
		{"64 arguments", func(c *Check) { c.Args = make([]string, 64) }, ""},
		{"65 arguments", func(c *Check) { c.Args = make([]string, 65) }, "65 arguments"},
		{"long argument", func(c *Check) { c.Args = []string{"", strings.Repeat("a", 4097)} }, "argument 2"},
		{"NUL", func(c *Check) { c.Args = []string{"a\x00"} }, "NUL"},
		{"much in all", func(c *Check) {
			for range 9 {
				c.Args = append(c.Args, strings.Repeat("a", 4000))
			}
		}, "in all"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := good()
			c.change(&x)
			err := x.Validate()
			if c.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestFromExit(t *testing.T) {
	for code, want := range map[int]string{0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN", 4: "UNKNOWN", -1: "UNKNOWN", 127: "UNKNOWN"} {
		if got := FromExit(code).String(); got != want {
			t.Errorf("exit %d is %s, want %s", code, got, want)
		}
	}
}
