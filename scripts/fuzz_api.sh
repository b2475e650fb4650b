#!/usr/bin/env bash
# Lets schemathesis look for answers that the contract does not know; see fuzz_api.py.
# GOTICKET names a built binary; without it one is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -z ${GOTICKET:-} ]]; then
    cargo build --quiet --bin goticket
    GOTICKET=target/debug/goticket
fi
schemathesis=$(scripts/tools.sh schemathesis)
exec "$(dirname "$schemathesis")/python" scripts/fuzz_api.py "$(realpath "$GOTICKET")" "$schemathesis"
