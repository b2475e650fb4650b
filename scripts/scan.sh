#!/usr/bin/env bash
# Lets wapiti loose on a fresh GoTicket; see scan.py.
# GOTICKET names a built binary; without it one is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -z ${GOTICKET:-} ]]; then
    cargo build --quiet --bin goticket
    GOTICKET=target/debug/goticket
fi
wapiti=$(scripts/tools.sh wapiti)
exec python3 scripts/scan.py "$(realpath "$GOTICKET")" "$wapiti" "$PWD/target/scan"
