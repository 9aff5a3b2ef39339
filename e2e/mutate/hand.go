package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// weakness is a change that somebody thought of, and the tests that must notice it.
// In the file each is five lines and an empty one:
//
//	what it makes of the program, for people
//	FILE
//	the text there is, on one line, or a part of one that is there once
//	the text to put in its place
//	PACKAGE TestName
type weakness struct{ what, file, from, to, test string }

func readWeaknesses(name string) ([]weakness, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out []weakness
	var lines []string
	scan := bufio.NewScanner(strings.NewReader(string(data) + "\n\n"))
	for scan.Scan() {
		if line := scan.Text(); line != "" {
			lines = append(lines, line)
			continue
		}
		switch len(lines) {
		case 0:
		case 5:
			out = append(out, weakness{lines[0], lines[1], lines[2], lines[3], lines[4]})
		default:
			return nil, fmt.Errorf("%s: %q has %d lines", name, lines[0], len(lines))
		}
		lines = nil
	}
	return out, nil
}

// byHand makes each change of a file and runs the test that is to fail.
func byHand(name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	list, err := readWeaknesses(name)
	if err != nil {
		return false, err
	}
	ok := true
	for _, w := range list {
		noticed, err := w.try()
		if err != nil {
			return false, fmt.Errorf("%s: %w", w.what, err)
		}
		if !noticed {
			fmt.Printf("  %s notices nothing: %s\n", w.test, w.what)
			ok = false
		}
	}
	fmt.Printf("%s: %d changes made by hand\n", name, len(list))
	return ok, nil
}

func (w weakness) try() (noticed bool, err error) {
	src, err := os.ReadFile(w.file)
	if err != nil {
		return false, err
	}
	if n := strings.Count(string(src), w.from); n != 1 {
		return false, fmt.Errorf("%s has %q %d times", w.file, w.from, n)
	}
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(folder)
	file, err := filepath.Abs(w.file)
	if err != nil {
		return false, err
	}
	changed, list := filepath.Join(folder, "changed.go"), filepath.Join(folder, "overlay.json")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(src), w.from, w.to, 1)), 0o666); err != nil {
		return false, err
	}
	if err := os.WriteFile(list, overlay, 0o666); err != nil {
		return false, err
	}
	pkg, test, _ := strings.Cut(w.test, " ")
	out, err := exec.Command("go", "test", "-vet=off", "-overlay", list, "-run", "^"+test+"$", "-timeout", "60s", "./"+pkg).CombinedOutput()
	text := string(out)
	switch {
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "no tests to run"):
		return false, fmt.Errorf("%s", text)
	case err != nil:
		return true, nil
	}
	return false, nil
}
