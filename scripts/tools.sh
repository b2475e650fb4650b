#!/usr/bin/env bash
# Installs the helper programs of the checks, each in the one version named here, under target/tools/.
#
#   scripts/tools.sh cargo-deny|cargo-cyclonedx|schemathesis|wapiti    prints the path of the program
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CARGO_DENY=0.20.2
CARGO_CYCLONEDX=0.5.9
SCHEMATHESIS=4.32.5
WAPITI=3.2.3

tools=$PWD/target/tools

# From crates.io: name and version.
crate() {
    # Cargo itself sees that the version is there already, and then does nothing.
    cargo install --quiet --locked --root "$tools" --version "$2" "$1" >&2
    echo "$tools/bin/$1"
}

# From PyPI, each in an environment of its own: program, name there and version.
python_program() {
    local venv=$tools/$1-$3
    if [[ ! -x $venv/bin/$1 ]]; then
        rm -rf "$venv"
        make_venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "$2==$3" >&2
    fi
    echo "$venv/bin/$1"
}

make_venv() {
    if python3 -m venv "$1" >/dev/null 2>&1; then return; fi
    # Debian packs the module apart.
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo "Python's venv module is missing (on Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
    apt-get -qq update >&2
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y python3-venv >&2
    python3 -m venv "$1" >&2
}

case ${1:-} in
cargo-deny) crate cargo-deny "$CARGO_DENY" ;;
cargo-cyclonedx) crate cargo-cyclonedx "$CARGO_CYCLONEDX" ;;
schemathesis) python_program schemathesis schemathesis "$SCHEMATHESIS" ;;
wapiti) python_program wapiti wapiti3 "$WAPITI" ;;
*)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
