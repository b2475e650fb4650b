#!/usr/bin/env bash
# The services that tests and drill need, on loopback: one PostgreSQL with its own data folder, one provider of
# OpenID Connect (npm's certified oidc-provider, see scripts/oidc), and one server with the shape of Stripe's API
# (its own stripe-mock).
#
#   up       start it (installing it first, if it is missing) and print its URL; twice is fine
#   down     stop it and throw its data away
#   status   say whether it runs; exit 1 if it does not
#   url      print its URL
#   env      print what tests want in their environment: eval "$(scripts/services.sh env)"
#   kill     SIGKILL the server, as a power cut would: for tests and drills of failure
#   restart  start it again on the same data and port, after a kill or instead of a running one
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
services=$root/target/services
state=$services/state # written by `up`: home, port and owner of the running cluster
superuser=goticket

say() { printf 'services: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit "$1"
}

# Debian keeps the server's programs off the PATH, one folder a version.
find_bin() {
    local pg_ctl
    pg_ctl=$(find /usr/lib/postgresql/*/bin -name pg_ctl 2>/dev/null | sort -V | tail -n 1)
    [[ -n $pg_ctl ]] || pg_ctl=$(command -v pg_ctl) || return 1
    dirname "$(readlink -f "$pg_ctl")"
}

as_admin() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "PostgreSQL is missing and only root may install it: apt-get install postgresql"
    fi
}

install_postgres() {
    command -v apt-get >/dev/null || die "PostgreSQL is missing: please install it (any version from 15 on)"
    say "installing PostgreSQL"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    as_admin "${apt[@]}" update >&2
    as_admin "${apt[@]}" install -y --no-install-recommends postgresql-common >&2
    # The package would make, and on some machines start, a cluster that nobody here wants.
    as_admin sed -i 's/^#\?create_main_cluster = .*/create_main_cluster = false/' \
        /etc/postgresql-common/createcluster.conf
    as_admin "${apt[@]}" install -y --no-install-recommends postgresql >&2
}

# PostgreSQL refuses to run as root.
choose_owner() {
    if ((EUID == 0)); then echo postgres; else id -un; fi
}

as_owner() {
    # From /, because the owner may not be allowed into the current folder.
    if [[ $owner == "$(id -un)" ]]; then (cd / && "$@"); else (cd / && runuser -u "$owner" -- "$@"); fi
}

make_home() {
    local dir=$services/postgres
    mkdir -p "$dir"
    chown "$owner" "$dir"
    chmod 700 "$dir"
    if ! as_owner test -w "$dir"; then
        # A folder above is closed to the owner, as a root user's home is.
        rmdir "$dir"
        dir=$(mktemp -d /var/tmp/goticket-postgres.XXXXXX)
        chown "$owner" "$dir"
    fi
    echo "$dir"
}

# Below the range that the kernel gives to outgoing connections, which could take the port from us
# between two starts.
pick_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
            echo "$port"
            return
        }
    done
    die "found no free port"
}

# Durability stays as PostgreSQL ships it: what the drill measures must be what survives a power cut. Its buffers are a
# quarter of the memory, as its manual advises (20.4.1); what is not used of them is not taken.
configure() {
    local buffers
    buffers=$(awk '/^MemTotal/ { print int($2 / 4096) }' /proc/meminfo)
    as_owner tee -a "$home/data/postgresql.conf" >/dev/null <<CONF

# GoTicket: tests and drill
listen_addresses = '127.0.0.1'
unix_socket_directories = ''   # a socket's path is limited to about 100 bytes, ours may be longer
max_connections = 200
shared_buffers = ${buffers}MB
max_wal_size = 4GB
min_wal_size = 2GB
CONF
    as_owner tee "$home/data/pg_hba.conf" >/dev/null <<'HBA'
host all all 127.0.0.1/32 trust
HBA
}

load() {
    [[ -f $state ]] || return 1
    # shellcheck source=/dev/null
    source "$state"
    bin=$(find_bin)
}

# Who works in this folder. A process that ends while we look makes find fail, which says nothing.
working_in() { { find /proc/[0-9]*/cwd -prune -lname "$1" 2>/dev/null || true; } | cut -d / -f 3; }

# The ids of all processes of the cluster: each has its data folder as working folder. Better than the pid
# file, which outlives a killed server, and than `kill -0`, which takes a zombie for alive.
processes() { working_in "$home/data"; }

running() { load && [[ -n $(processes) ]]; }

await_end() {
    for _ in {1..600}; do
        [[ -n $(processes) ]] || return 0
        sleep 0.1
    done
    die "PostgreSQL does not end; its log is $home/log"
}

url() { echo "postgres://$superuser@127.0.0.1:$port/postgres"; }

start() {
    # The lock must not live on in the server, hence 9>&-.
    as_owner "$bin/pg_ctl" -D "$home/data" -l "$home/log" -o "-p $port" -w -t 60 start >/dev/null 2>&1 9>&-
}

up() {
    if running; then return; fi
    if load && as_owner test -d "$home/data"; then
        restart
        return
    fi
    find_bin >/dev/null || install_postgres
    bin=$(find_bin) || die "PostgreSQL was installed, yet there is no pg_ctl"
    owner=$(choose_owner)
    home=$(make_home)
    port=$(pick_port)
    as_owner rm -rf "$home/data"
    as_owner "$bin/initdb" -D "$home/data" -U "$superuser" -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
    configure
    for _ in {1..5}; do
        printf 'home=%q\nport=%q\nowner=%q\n' "$home" "$port" "$owner" >"$state"
        if start; then return; fi
        port=$(pick_port) # somebody was faster
    done
    as_owner tail -n 20 "$home/log" >&2 || true
    die "PostgreSQL does not start; its log is $home/log"
}

# The provider -------------------------------------------------------------------------------------

oidc=$services/oidc

oidc_processes() { working_in "$oidc"; }

oidc_running() { [[ -f $oidc/port && -n $(oidc_processes) ]]; }

oidc_url() { echo "http://127.0.0.1:$(<"$oidc/port")"; }

oidc_install() {
    local source=$root/scripts/oidc
    mkdir -p "$oidc"
    if ! { command -v node && command -v npm; } >/dev/null; then
        command -v apt-get >/dev/null || die "Node.js is missing: please install it (any version from 18 on)"
        say "installing Node.js"
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
        as_admin "${apt[@]}" update >&2
        as_admin "${apt[@]}" install -y --no-install-recommends nodejs npm >&2
    fi
    cp "$source/provider.mjs" "$oidc/"
    cmp -s "$source/package-lock.json" "$oidc/installed" && return
    cp "$source/package.json" "$source/package-lock.json" "$oidc/"
    (cd "$oidc" && npm ci --silent --ignore-scripts --no-audit --no-fund >&2) || die "npm could not install the provider"
    cp "$source/package-lock.json" "$oidc/installed"
}

oidc_up() {
    if oidc_running; then return; fi
    oidc_install
    local port
    port=$(pick_port)
    # A session of its own: whoever ends the tests does not end it. The lock must not live on in it, hence 9>&-.
    (cd "$oidc" && exec setsid node provider.mjs "$port" >log 2>&1 </dev/null 9>&-) &
    for _ in {1..300}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port" >"$oidc/port"
            return
        fi
        sleep 0.1
    done
    tail -n 20 "$oidc/log" >&2 || true
    die "the OpenID Connect provider does not start; its log is $oidc/log"
}

oidc_down() {
    rm -f "$oidc/port"
    local left
    for _ in {1..100}; do
        left=$(oidc_processes)
        [[ -n $left ]] || return 0
        # shellcheck disable=SC2086 # a list of numbers
        kill $left 2>/dev/null || true
        sleep 0.1
    done
    die "the OpenID Connect provider does not end"
}

# Stripe's shape -----------------------------------------------------------------------------------

stripe=$services/stripe
stripe_version=v0.203.0 # its OpenAPI document is of the API version that crates/adapters/payment/src/stripe names

stripe_processes() { working_in "$stripe"; }

stripe_running() { [[ -f $stripe/port && -n $(stripe_processes) ]]; }

stripe_url() { echo "http://127.0.0.1:$(<"$stripe/port")"; }

# From 1.21 on Go fetches by itself what is newer still.
go_is_new() { [[ $(go env GOVERSION) =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21)); }

stripe_install() {
    mkdir -p "$stripe"
    [[ -x $stripe/stripe-mock && $(cat "$stripe/installed" 2>/dev/null) == "$stripe_version" ]] && return
    if ! command -v go >/dev/null; then
        command -v apt-get >/dev/null || die "Go is missing: please install it (any version from 1.21 on)"
        say "installing Go"
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
        as_admin "${apt[@]}" update >&2
        as_admin "${apt[@]}" install -y --no-install-recommends golang-go >&2
    fi
    go_is_new || die "this Go is too old, as that of Debian 12 is: please install Go (any version from 1.21 on)"
    GOBIN=$stripe go install "github.com/stripe/stripe-mock@$stripe_version" >&2 || die "Go could not install stripe-mock"
    echo "$stripe_version" >"$stripe/installed"
}

stripe_up() {
    if stripe_running; then return; fi
    stripe_install
    local port sock
    port=$(pick_port)
    # It wants to speak TLS as well: on a socket that nobody asks. The path of one is limited to about 100 bytes.
    sock=$(mktemp -u /tmp/goticket-stripe.XXXXXX)
    (cd "$stripe" && exec setsid ./stripe-mock -strict-version-check -http-addr "127.0.0.1:$port" -https-unix "$sock" \
        >log 2>&1 </dev/null 9>&-) &
    for _ in {1..300}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            rm -f "$sock"
            echo "$port" >"$stripe/port"
            return
        fi
        sleep 0.1
    done
    tail -n 20 "$stripe/log" >&2 || true
    die "stripe-mock does not start; its log is $stripe/log"
}

stripe_down() {
    rm -f "$stripe/port"
    local left
    for _ in {1..100}; do
        left=$(stripe_processes)
        [[ -n $left ]] || return 0
        # shellcheck disable=SC2086 # a list of numbers
        kill $left 2>/dev/null || true
        sleep 0.1
    done
    die "stripe-mock does not end"
}

# The browser --------------------------------------------------------------------------------------

# The verifier of tickets runs in browsers, and is tested in one (web/door).
chromium_install() {
    command -v chromium >/dev/null && return
    command -v apt-get >/dev/null || die "Chromium is missing: please install it (any version that has Ed25519 in WebCrypto)"
    say "installing Chromium"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    as_admin "${apt[@]}" update >&2
    as_admin "${apt[@]}" install -y --no-install-recommends chromium >&2
}

# All ----------------------------------------------------------------------------------------------

all_up() {
    up
    oidc_up
    stripe_up
    chromium_install
}

all_down() {
    down
    oidc_down
    stripe_down
}

stop() {
    if ! running; then return; fi
    as_owner "$bin/pg_ctl" -D "$home/data" -m fast -W stop >/dev/null 2>&1 || true # fails on a killed one
    await_end
}

down() {
    if ! load; then return; fi
    stop
    rm -rf "$home" "$state"
}

restart() {
    load || die "nothing to restart: say up first"
    stop
    rm -f "$home/data/postmaster.pid" # of a killed server; nobody runs on this data, as stop has seen
    start && return
    as_owner tail -n 20 "$home/log" >&2 || true
    die "PostgreSQL does not start again; its log is $home/log"
}

# Stopped first, so that it cannot make children that we do not see.
crash() {
    running || die "not running"
    kill -STOP "$(head -n 1 "$home/data/postmaster.pid")"
    # shellcheck disable=SC2046 # a list of numbers
    kill -KILL $(processes)
    await_end
}

locked() {
    mkdir -p "$services"
    exec 9>"$services/lock"
    flock 9
    "$@"
}

# Each command stands alone on its line: behind `&&` or `if` bash would ignore failures inside it.
case ${1:-} in
up)
    locked all_up
    url
    ;;
down) locked all_down ;;
restart)
    locked restart
    url
    ;;
kill) locked crash ;;
status)
    if running && oidc_running && stripe_running; then
        echo "PostgreSQL is up at $(url), data in $home"
    else
        echo "PostgreSQL, the OpenID Connect provider or stripe-mock is down"
        exit 1
    fi
    ;;
url)
    running || die "not running: say up first"
    url
    ;;
env)
    running || die "not running: say up first"
    echo "export GOTICKET_TEST_POSTGRES_URL=$(url)"
    if oidc_running; then echo "export GOTICKET_TEST_OIDC_URL=$(oidc_url)"; fi
    if stripe_running; then echo "export GOTICKET_TEST_STRIPE_URL=$(stripe_url)"; fi
    ;;
-h | --help | help) usage 0 ;;
*) usage 2 >&2 ;;
esac
