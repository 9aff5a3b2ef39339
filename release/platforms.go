package main

// processors are what each architecture is built for where Go lets one choose.
var processors = map[string]string{
	"386": "GO386=sse2", "amd64": "GOAMD64=v1", "arm": "GOARM=6", "arm64": "GOARM64=v8.0", "ppc64le": "GOPPC64=power8", "riscv64": "GORISCV64=rva20u64",
}

// experiment is what of Go's is left out, docs/decisions/151-former-collector.md.
const experiment = "GOEXPERIMENT=nogreenteagc"

// buildFlags are those that two builds of one commit have to share.
var buildFlags = []string{"-trimpath", "-buildvcs=false"}

// releasePlatforms are those that a release is built for, the list of goreleaser.yaml.
// Of each architecture the oldest processor that Go builds for by default is enough;
// see workshop.command.
var releasePlatforms = []string{
	"darwin-amd64", "darwin-arm64",
	"freebsd-amd64", "freebsd-arm64",
	"linux-386", "linux-amd64", "linux-arm", "linux-arm64", "linux-ppc64le", "linux-riscv64", "linux-s390x",
	"windows-amd64", "windows-arm64",
}
