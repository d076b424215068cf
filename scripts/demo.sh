#!/bin/sh
# The demo on what is built: scripts/demo.sh [URL...], with JSON=FILE in the environment its figures go there too.
cd "$(dirname "$0")/.." || exit 1
exec build/demo/demo build/cmd/plait ${JSON:+--json "$JSON"} "$@"
