#!/bin/sh
# Builds a small OpenTelemetry collector from its own modules below .cache/otelcol (minutes, once), and runs the tests of collectors that need it.
set -eu
cd "$(dirname "$0")/.."
dir=$PWD/.cache/otelcol
if ! [ -x "$dir/otelcol" ]; then
	mkdir -p "$dir"
	cp scripts/otelcol.go.txt "$dir/main.go"
	printf 'module otelcol\n\ngo 1.26\n' >"$dir/go.mod"
	(
		cd "$dir"
		v=v0.155.0 s=v1.61.0 m=go.opentelemetry.io/collector
		go get $m/otelcol@$v $m/service@$v $m/receiver/otlpreceiver@$v $m/exporter/debugexporter@$v $m/confmap@$s $m/confmap/provider/fileprovider@$s $m/component@$s $m/confmap/xconfmap@$v
		go mod tidy
		CGO_ENABLED=0 go build -o otelcol .
	)
fi
LIMPET_TEST_OTELCOL="$dir/otelcol" go test -tags otelcol -run Otelcol -v ./core
