package plugin

import (
	"errors"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	look := func(name string) (string, error) {
		if strings.HasPrefix(name, "pwsh") || strings.HasPrefix(name, "ruby") {
			return "", errors.New("not there")
		}
		return "/found/" + name, nil
	}
	for _, c := range []struct{ path, first, args, want string }{
		{"c.exe", "", "a b", "c.exe a b"},
		{"c.EXE", "#!/bin/sh", "", "c.EXE"},
		{"c.ps1", "", "-H x", "/found/powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File c.ps1 -H x"},
		{"c.py", "", "a", "/found/py.exe c.py a"},
		{"c.vbs", "", "", "/found/cscript.exe //NoLogo //B c.vbs"},
		{"c.bat", "", "a-1.5", "c.bat a-1.5"},
		{"c", "#!/usr/bin/env -S python3 -u", "a", "/found/python3.exe -u c a"},
		{"c", "#!/bin/sh -e\r", "a", "/found/sh.exe -e c a"},
		{"c", "MZ", "a", "c a"},
	} {
		path, args, err := command(c.path, strings.Fields(c.args), c.first, look)
		if got := strings.Join(append([]string{path}, args...), " "); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.path, got, err, c.want)
		}
	}
	var missing *interpreterError
	if _, _, err := command("c.rb", nil, "", look); !errors.As(err, &missing) {
		t.Errorf("no ruby: %v", err)
	}
	for _, a := range []string{`"`, "%PATH%", "a&b", "a\nb", "^"} {
		if _, _, err := command("c.cmd", []string{a}, "", look); !errors.Is(err, errUnsafeArgs) {
			t.Errorf("%q goes to a batch file: %v", a, err)
		}
	}
}

func TestByEnding(t *testing.T) {
	look := func(name string) (string, error) {
		if name == "bash" {
			return "", errors.New("not there")
		}
		return "/usr/bin/" + name, nil
	}
	for _, c := range []struct{ path, want string }{
		{"/p/c.py", "/usr/bin/python3 /p/c.py a"},
		{"/p/c.SH", "/usr/bin/sh /p/c.SH a"},
		{"/p/c.pl", "/usr/bin/perl /p/c.pl a"},
		{"/p/c.ps1", "/usr/bin/pwsh -NoProfile -NonInteractive -ExecutionPolicy Bypass -File /p/c.ps1 a"},
		{"/p/check_it", "/p/check_it a"},
	} {
		path, args, err := byEnding(c.path, []string{"a"}, look)
		if got := strings.Join(append([]string{path}, args...), " "); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.path, got, err, c.want)
		}
	}
	var missing *interpreterError
	if _, _, err := byEnding("c.bat", nil, look); !errors.As(err, &missing) {
		t.Errorf("a batch file: %v", err)
	}
}

func TestShebang(t *testing.T) {
	for line, want := range map[string]string{
		"#!/bin/sh": "sh", "#! /usr/bin/perl -w": "perl -w", "#!/usr/bin/env ruby": "ruby", "#!/usr/bin/env": "", "#!": "", "": "", "echo": "",
	} {
		name, options, ok := shebang(line)
		if got := strings.TrimSpace(name + " " + strings.Join(options, " ")); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", line, got, ok, want)
		}
	}
}
