#!/usr/bin/env bash
# Writes docs/openapi.json from the code; with --check only says whether it is fresh.
# GOTICKET names a built binary to ask; without it one is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

file=docs/openapi.json
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT

# `--bin` rather than `-p`: so the dependencies have the features of the whole workspace, and what is
# built here serves the tests too.
if [[ -n ${GOTICKET:-} ]]; then "$GOTICKET" openapi; else cargo run --quiet --bin goticket -- openapi; fi >"$fresh"

if [[ ${1:-} == --check ]]; then
    if ! diff -u "$file" "$fresh"; then
        echo "$file is stale: run 'make openapi' and commit it." >&2
        exit 1
    fi
else
    mkdir -p docs
    cat "$fresh" >"$file" # whole or not at all, and not with the mode of a temporary file
fi
