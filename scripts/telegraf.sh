#!/bin/sh
# Builds a small telegraf from its own module below .cache/telegraf (minutes, once), with the plugins that the tests name, and runs the tests of collectors that need it.
set -eu
cd "$(dirname "$0")/.."
dir=$PWD/.cache/telegraf
if ! [ -x "$dir/telegraf" ]; then
	mkdir -p "$dir"
	GOBIN=$dir CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" \
		-tags custom,inputs.cpu,inputs.mem,inputs.exec,inputs.socket_listener,outputs.file,parsers.influx,serializers.influx \
		github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
fi
LIMPET_TEST_TELEGRAF="$dir/telegraf" go test -tags telegraf -run Telegraf -v ./core
