package nrpe

import "strings"

// maxMacros is how many arguments NRPE hands on.
const maxMacros = 16

// expand puts arguments in the place of $ARG1$ to $ARG16$, as NRPE does: "$$" is a dollar, another word between dollars stays as it stands, an
// argument that was not given is nothing.
func expand(line string, args []string) string {
	var out strings.Builder
	for i, piece := range strings.Split(line, "$") {
		switch index, isArg := strings.CutPrefix(piece, "ARG"); {
		case i%2 == 0:
			out.WriteString(piece)
		case isArg:
			if n := number(index); n >= 1 && n <= len(args) && n <= maxMacros {
				out.WriteString(args[n-1])
			}
		case piece == "":
			out.WriteString("$")
		default:
			out.WriteString("$" + piece + "$")
		}
	}
	return out.String()
}

// arguments is the highest argument that a command line asks for, 0 for none.
func arguments(line string) int {
	highest := 0
	for i, piece := range strings.Split(line, "$") {
		if index, isArg := strings.CutPrefix(piece, "ARG"); isArg && i%2 == 1 {
			if n := number(index); n <= maxMacros {
				highest = max(highest, n)
			}
		}
	}
	return highest
}

// words splits a command line as a shell would that has nothing else to do with it: at blanks, without quotes. Where a shell would do more
// (expand, redirect, run something else, look a program up), why names the character or word, and the line is for a shell.
func words(line string) (list []string, why string) {
	var word []byte
	begun := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ' ' || c == '\t':
			if begun {
				list = append(list, string(word))
			}
			word, begun = nil, false
		case c == '\'' || c == '"':
			end := strings.IndexByte(line[i+1:], c)
			if end < 0 {
				return nil, string(c)
			}
			quoted := line[i+1 : i+1+end]
			if special := strings.IndexAny(quoted, "$`\\"); c == '"' && special >= 0 {
				return nil, quoted[special : special+1]
			}
			word, begun = append(word, quoted...), true
			i += end + 1
		case strings.IndexByte("|&;<>()$`\\*?[\n\r", c) >= 0,
			!begun && (c == '#' || c == '~'),
			len(list) == 0 && c == '=':
			return nil, string(c)
		default:
			word, begun = append(word, c), true
		}
	}
	if begun {
		list = append(list, string(word))
	}
	if len(list) == 0 || !strings.HasPrefix(list[0], "/") {
		return nil, "a program without a path"
	}
	return list, ""
}
