package plugin

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// interpreters says by a file's ending what runs it where the system itself does not know: the first of the programs that is there.
var interpreters = map[string]struct {
	programs []string
	before   []string // arguments before the script's path
}{
	".ps1": {[]string{"pwsh.exe", "powershell.exe"}, []string{"-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"}},
	".py":  {[]string{"py.exe", "python3.exe", "python.exe"}, nil},
	".vbs": {[]string{"cscript.exe"}, []string{"//NoLogo", "//B"}},
	".rb":  {[]string{"ruby.exe"}, nil},
	".pl":  {[]string{"perl.exe"}, nil},
	".sh":  {[]string{"bash.exe", "sh.exe"}, nil},
}

// interpreterError: a script's interpreter is not on this box.
type interpreterError struct{ programs []string }

func (e *interpreterError) Error() string {
	return "find interpreter: none of " + strings.Join(e.programs, ", ") + " is in the PATH"
}

// errUnsafeArgs: no quoting keeps these from cmd.exe.
var errUnsafeArgs = errors.New(`start batch file: arguments with any of " % & | < > ^ ! or line ends cannot be passed to it safely`)

// command says what to start for a plugin where the system reads no '#!' line: the interpreter by ending, else by the script's
// first line, else the file itself. look finds a program's path.
func command(path string, args []string, first string, look func(string) (string, error)) (string, []string, error) {
	ending := strings.ToLower(filepath.Ext(path))
	switch ending {
	case ".exe", ".com":
		return path, args, nil
	case ".bat", ".cmd":
		for _, a := range args {
			if strings.ContainsAny(a, "\"%&|<>^!\r\n") {
				return "", nil, errUnsafeArgs
			}
		}
		return path, args, nil
	}
	if i, ok := interpreters[ending]; ok {
		return interpreted(i.programs, append(append([]string{}, i.before...), path), args, look)
	}
	if name, options, ok := shebang(first); ok {
		return interpreted([]string{name + ".exe"}, append(options, path), args, look)
	}
	return path, args, nil
}

// byEnding is command for systems that read '#!' lines themselves, asked where a file has none: path itself where its ending says nothing.
func byEnding(path string, args []string, look func(string) (string, error)) (string, []string, error) {
	ending := strings.ToLower(filepath.Ext(path))
	switch ending {
	case ".bat", ".cmd":
		return "", nil, &interpreterError{[]string{"cmd.exe"}}
	}
	i, ok := interpreters[ending]
	if !ok {
		return path, args, nil
	}
	var programs []string
	for _, p := range i.programs {
		if p = strings.TrimSuffix(p, ".exe"); p != "py" { // Windows' own launcher
			programs = append(programs, p)
		}
	}
	return interpreted(programs, append(append([]string{}, i.before...), path), args, look)
}

func interpreted(programs, before, args []string, look func(string) (string, error)) (string, []string, error) {
	for _, p := range programs {
		if found, err := look(p); err == nil {
			return found, append(before, args...), nil
		}
	}
	return "", nil, &interpreterError{programs}
}

// shebang reads the program's bare name and its options from a '#!' line.
func shebang(line string) (name string, options []string, ok bool) {
	rest, ok := strings.CutPrefix(line, "#!")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 {
		return "", nil, false
	}
	name, options = base(words[0]), words[1:]
	if name == "env" {
		for len(options) > 0 && strings.HasPrefix(options[0], "-") {
			options = options[1:]
		}
		if len(options) == 0 {
			return "", nil, false
		}
		name, options = base(options[0]), options[1:]
	}
	return name, options, true
}

// base is the last part of a path written with slashes.
func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// maxFirstLine is what kernels read of a '#!' line.
const maxFirstLine = 256

// firstLine reads a script's first line with its line end of Windows, if it has one; "" when it cannot be read.
func firstLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxFirstLine)).ReadString('\n')
	if err != nil && err != io.EOF {
		return ""
	}
	return strings.TrimSuffix(line, "\n")
}
