package check

import (
	"slices"
	"testing"
)

func TestExpand(t *testing.T) {
	macros := map[string]string{"HOSTNAME": "web1", "ARG1": "$HOSTNAME$", "EMPTY": ""}
	for in, want := range map[string]string{
		"plain":                      "plain",
		"$HOSTNAME$":                 "web1",
		"a$HOSTNAME$b$HOSTNAME$":     "aweb1bweb1",
		"$ARG1$":                     "$HOSTNAME$", // a value is never looked at again
		"$EMPTY$x":                   "x",
		"$NOSUCH$":                   "$NOSUCH$",
		"^foo$":                      "^foo$",
		"^a$|^b$":                    "^a$|^b$",
		"$$HOSTNAME$":                "$HOSTNAME$",
		"$":                          "$",
		"$$":                         "$$",
		"cost $5, host $HOSTNAME$ $": "cost $5, host web1 $",
		"$hostname$":                 "$hostname$",
	} {
		args := []string{"first", in}
		if got := Expand(args, macros); got[1] != want || got[0] != "first" || args[1] != in {
			t.Errorf("%q became %q, want %q", in, got[1], want)
		}
	}
	if got := Expand(nil, macros); got != nil {
		t.Errorf("%q of nothing", got)
	}
	if same := []string{"a"}; !slices.Equal(Expand(same, nil), same) {
		t.Error("without macros nothing changes")
	}
}

func TestValidMacro(t *testing.T) {
	for name, want := range map[string]bool{"ARG1": true, "_OWN": true, "USER32": true, "": false, "1A": false, "a": false, "A-B": false, "A=B": false} {
		if ValidMacro(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
