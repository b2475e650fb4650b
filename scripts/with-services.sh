#!/usr/bin/env bash
# Runs a command with the services that it needs: scripts/with-services.sh COMMAND [ARGUMENT...]
# They are started for it and stopped again, whatever happens, unless `make services-up` had started
# them before. The command finds them by GOTICKET_TEST_POSTGRES_URL.
set -euo pipefail
services=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/services.sh

running=
started=

cleanup() {
    # All of the group, so that no server that a test had started outlives it.
    if [[ -n $running ]]; then kill -KILL -- "-$running" 2>/dev/null || true; fi
    if [[ -n $started ]]; then "$services" down; fi
}

# Who of the group still lives; a zombie does not, though in some containers nobody ever buries it.
survivors() {
    cat /proc/[0-9]*/stat 2>/dev/null |
        awk -v group="$running" '{ head = $0; sub(/\).*/, ")", head); sub(/.*\) /, "")
            if ($3 == group && $1 != "Z") print head }' || true
}

interrupt() {
    if [[ -n $running ]]; then
        kill -TERM -- "-$running" 2>/dev/null || true
        wait "$running" || true
    fi
    exit "$1"
}
trap cleanup EXIT
trap 'interrupt 130' INT
trap 'interrupt 143' TERM HUP

if ! "$services" status >/dev/null; then
    started=yes
    "$services" up >/dev/null
fi
eval "$("$services" env)"

# In the background, because bash runs a trap only when the command in the foreground has ended; and in
# a process group of its own, so that it can be ended as a whole.
set -m
"$@" &
running=$!
set +m
status=0
wait "$running" || status=$?

# A moment for those that are just ending.
for _ in {1..20}; do
    left=$(survivors)
    [[ -n $left ]] || break
    sleep 0.1
done
if [[ -n $left ]]; then
    printf 'Processes were left behind by %s:\n%s\n' "$*" "$left" >&2
    exit 1
fi
running=
exit "$status"
