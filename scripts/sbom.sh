#!/usr/bin/env bash
# Writes what the binary is made of as CycloneDX 1.5 to target/sbom/goticket.cdx.json, and checks that it is whole.
#
#   scripts/sbom.sh [TARGET]    the target triple that is shipped; by default that of this machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
out=target/sbom/goticket.cdx.json
cyclonedx=$(scripts/tools.sh cargo-cyclonedx)

# It writes beside each binary's manifest; what is not ours to keep there is taken away in every case.
leftovers=(crates/goticket/goticket_bin.cdx.json crates/drill/drill_bin.cdx.json)
trap 'rm -f "${leftovers[@]}"' EXIT

"$cyclonedx" cyclonedx --quiet --manifest-path crates/goticket/Cargo.toml --target "$target" \
    --format json --spec-version 1.5 --describe binaries --no-build-deps
mkdir -p "${out%/*}"
sed "s|file://$PWD/|file:///|g" "${leftovers[0]}" >"$out" # where it was built concerns nobody

# Every crate that is linked into the binary, or makes code that is (the kinds of dependencies that `normal` means).
cargo tree --locked --package goticket --edges normal --target "$target" --prefix none --format '{p}' |
    python3 scripts/sbom_check.py "$out"
