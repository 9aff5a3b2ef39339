package main

import "strings"

// call is one command line, understood.
type call struct {
	name string   // the command, "" for none
	root string   // --root, or the environment's; "" for the usual places
	args []string // the rest, in their order
}

// parse finds --root anywhere; for try only before its plugin.
func parse(args []string, fromEnv string) (call, error) {
	c := call{root: fromEnv}
	args, err := c.takeRoot(args)
	if err != nil || len(args) == 0 {
		return c, err
	}
	c.name, args = args[0], args[1:]
	args, err = c.takeRoot(args)
	if err != nil {
		return c, err
	}
	if c.name != "try" { // where the rest is for the plugin
		for i := 0; i < len(args); i++ {
			rest, err := c.takeRoot(args[i:])
			if err != nil {
				return c, err
			}
			args = append(args[:i:i], rest...)
		}
	}
	c.args = args
	return c, nil
}

// takeRoot takes --root DIR or --root=DIR from the beginning of args.
func (c *call) takeRoot(args []string) ([]string, error) {
	for len(args) > 0 {
		dir, rest := "", args[1:]
		switch value, joined := strings.CutPrefix(args[0], "--root="); {
		case joined:
			dir = value
		case args[0] == "--root" && len(rest) > 0:
			dir, rest = rest[0], rest[1:]
		case args[0] == "--root":
		default:
			return args, nil
		}
		if dir == "" {
			return nil, misuse("--root names no folder")
		}
		c.root, args = dir, rest
	}
	return nil, nil
}
