//go:build linux && !amd64

package main

import "errors"

func writeTrivial(string, uint32) error {
	return errors.New("the trivial plugin is made for amd64 only")
}
