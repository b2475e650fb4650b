#!/usr/bin/env bash
# A hot event on a disk that is slow or fails: for five seconds of the sale strace makes every fsync of the
# server (SQLite) or of PostgreSQL take longer or fail. Needs a release build, root, and, for postgres, the
# services (`make services-up`).
#
#   scripts/bad_disk.sh sqlite   delay_enter=100000     100 ms more each
#   scripts/bad_disk.sh postgres delay_enter=100000
#   scripts/bad_disk.sh sqlite   error=EIO              each fails
#   scripts/bad_disk.sh postgres error=EIO:when=40      the 40th fails, and PostgreSQL restarts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# == 2 ]] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
engine=$1 fault=$2
command -v strace >/dev/null || apt-get -qq install -y strace >&2
eval "$(scripts/services.sh env)"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
target/release/drill hot-event --start "$engine" --connections 64 --seconds 10 --warmup 1 --yardstick false >"$log" 2>&1 &
drill=$!
until grep -q 'sale:' "$log"; do
    kill -0 "$drill" 2>/dev/null || { cat "$log"; exit 1; }
    sleep 0.1
done
case $engine in
    sqlite) victims=$(pgrep -P "$drill" -f 'goticket serve') ;;
    postgres) victims=$(pgrep -u "$(stat -c %U target/services/postgres)" -x postgres) ;;
    *) echo "no such engine: $engine" >&2 && exit 2 ;;
esac
# shellcheck disable=SC2086 # one argument each
timeout 5 strace -f -qq -o /dev/null -e trace=fsync,fdatasync -e inject=fsync,fdatasync:"$fault" $(printf -- '-p %s ' $victims) || true
status=0
wait "$drill" || status=$?
cat "$log"
exit "$status"
