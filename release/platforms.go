package main

// releasePlatforms are those that a release is built for, the list of goreleaser.yaml.
// Of each architecture the oldest processor that Go builds for by default is enough;
// see workshop.command.
var releasePlatforms = []string{
	"darwin-amd64", "darwin-arm64",
	"freebsd-amd64", "freebsd-arm64",
	"linux-386", "linux-amd64", "linux-arm", "linux-arm64", "linux-ppc64le", "linux-riscv64", "linux-s390x",
	"windows-amd64", "windows-arm64",
}
