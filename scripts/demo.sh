#!/bin/sh
# Builds are done: shows the examples at work.
cd "$(dirname "$0")/.." || exit 1
for example in build/examples/*; do
        if [ -d "$example" ] || [ ! -x "$example" ]; then
                continue
        fi
        echo "\$ $example"
        "$example" || exit
done
