"""Runs schemathesis against a fresh GoTicket on SQLite: no 5xx, no answer that OpenAPI does not know.

The instance lives in a temporary folder on free loopback ports, and is stopped in every case. At the
end it must have stopped softly, and `goticket verify` must find nothing.

Usage: fuzz_api.py GOTICKET SCHEMATHESIS (the paths of the two programs)
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

EMAIL = "fuzz@example.com"
PASSWORD = "correct horse battery staple"
HOOKS = pathlib.Path(__file__).with_name("fuzz_hooks.py")

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
]

# Endless answers: schemathesis would read them for ever, and knows no schema of their events. Their tests are in Rust.
ENDLESS = r"/(stream|live)$"
# They end the session or take its rights away, so that all others would only see 401 and 403.
DISRUPTIVE = r"/auth/logout$|/users/\{|/users/me/sessions"

# Examples an operation and phase; together two to three minutes on two cores.
EXAMPLES = 40
# Far above that: reached only when something hangs.
DEADLINE_SECS = 900


def main(goticket: str, schemathesis: str) -> int:
    with tempfile.TemporaryDirectory(prefix="goticket-fuzz-") as folder:
        home = pathlib.Path(folder)
        url, environment = instance(home)
        server = serve(goticket, environment, home, home / "log")
        passed = False
        try:
            await_ready(url, server)
            create_admin(goticket, environment, home)
            passed = fuzz(schemathesis, url, home)
        finally:
            softly = stop(server)
            if not passed:
                print("\nThe last of the server's log:\n" + "\n".join((home / "log").read_text().splitlines()[-40:]))
        verified = subprocess.run([goticket, "verify"], env=environment, cwd=home).returncode == 0
        if not softly:
            print(f"The server did not stop softly: exit code {server.returncode}.")
        if not verified:
            print("`goticket verify` found differences.")
        return 0 if passed and softly and verified else 1


def instance(home: pathlib.Path) -> tuple[str, dict[str, str]]:
    """Where an instance of its own in this folder will listen, and its settings."""
    address = f"127.0.0.1:{free_port()}"
    return f"http://{address}", os.environ | {
        "GOTICKET_HTTP__ADDRESS": address,
        "GOTICKET_OPS__ADDRESS": f"127.0.0.1:{free_port()}",
        "GOTICKET_DATA_DIR": str(home),
        "GOTICKET_DATABASE__URL": f"sqlite://{home / 'goticket.db'}",
        # Else there would only ever be 429 to see: the limits have tests of their own.
        "GOTICKET_RATE_LIMIT__ENABLED": "false",
    }


def serve(goticket: str, environment: dict[str, str], home: pathlib.Path, log: pathlib.Path) -> subprocess.Popen:
    with open(log, "w") as output:
        return subprocess.Popen(
            [goticket, "serve"], env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def fuzz(schemathesis: str, url: str, home: pathlib.Path) -> bool:
    token = login(url)
    ids = seed(url, token)

    def run(name: str, token: str, *selection: str) -> bool:
        print(f"\n--- schemathesis: {name}")
        command = [
            schemathesis, "run", f"{url}/openapi.json", "--url", url,
            "--checks", ",".join(CHECKS),
            "--header", f"Authorization: Bearer {token}",
            "--max-examples", str(EXAMPLES),
            # The same on every run: a merge must not fail for what chance has found elsewhere.
            "--generation-deterministic",
            "--request-timeout", "20", "--warnings", "off", "--no-color",
            *selection,
        ]  # fmt: skip
        environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS), "GOTICKET_FUZZ_IDS": json.dumps(ids)}
        # In its own folder, because it leaves caches where it stands.
        return subprocess.run(command, env=environment, cwd=home, timeout=DEADLINE_SECS).returncode == 0

    passed = run("all but the disruptive", token, "--exclude-path-regex", f"{ENDLESS}|{DISRUPTIVE}")
    # A session that ended on the way would have hidden everything behind 401.
    me = call(f"{url}/api/v1/auth/me", None, token)
    print(f"The session of {me['email']} holds to the end.")
    return run("the disruptive", login(url), "--include-path-regex", DISRUPTIVE) and passed


def seed(url: str, token: str) -> dict[str, list[str]]:
    """Some of each, so that not every guessed id ends in 404; see the hooks for the use of the ids."""
    api = f"{url}/api/v1"
    # Soon enough to be let in already.
    start = datetime.now(timezone.utc) + timedelta(hours=2)
    times = {
        "startAt": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "endAt": (start + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }

    def post(path: str, body: dict) -> dict:
        return call(f"{api}{path}", body, token)

    event = post("/events", times | {"name": "Fuzz Festival", "price": 2500, "capacity": 1_000_000})
    events, organizer = f"/events/{event['id']}", f"/organizers/{event['organizerId']}"
    pool = post(f"{events}/pools", {"name": "Hall", "capacity": 1_000_000})
    post(f"{events}/publish", {})
    seller = {"name": "Fuzz Ltd", "addressLines": ["1 Main Street"], "country": "PL", "series": "FZ"}
    call(f"{api}{organizer}/invoicing", seller, token, "PUT")
    held, sold = post(f"{events}/bookings", {}), post(f"{events}/bookings", {})
    post(f"/bookings/{sold['id']}/confirm", {})
    tickets = call(f"{api}/bookings/{sold['id']}/tickets", None, token)
    scan = post(f"{events}/check-ins", {"code": tickets[0]["code"]})

    small = post("/events", times | {"name": "Fuzz Club", "price": 0, "capacity": 1, "waitingList": True})
    post(f"/events/{small['id']}/publish", {})
    post(f"/events/{small['id']}/bookings", {})
    return {
        "organizers": [event["organizerId"]],
        "members": [call(f"{api}/auth/me", None, token)["id"]],
        "api-keys": [post(f"{organizer}/api-keys", {"name": "Fuzz", "scopes": ["events:read"]})["id"]],
        "invitations": [post(f"{organizer}/invitations", {"email": "guest@example.com", "role": "scanner"})["id"]],
        "events": [event["id"], small["id"]],
        "ticket-types": [event["ticketTypes"][0]["id"]],
        "pools": [pool["id"]],
        "promo-codes": [post(f"{events}/promo-codes", {"code": "FUZZ-10", "rate": 100_000, "maxUses": 100})["id"]],
        "check-in-lists": [post(f"{events}/check-in-lists", {"name": "Main door", "entry": "re_entry"})["id"]],
        "check-ins": [scan["checkInId"]],
        "bookings": [held["id"], sold["id"]],
        "tickets": [ticket["id"] for ticket in tickets],
        "invoices": [await_invoice(f"{api}/bookings/{sold['id']}/invoices", token)],
        "waiting-list": [post(f"/events/{small['id']}/waiting-list", {})["id"]],
    }


def await_invoice(url: str, token: str) -> str:
    """The id of the first invoice of a booking; a job writes it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if invoices := call(url, None, token):
            return invoices[0]["id"]
        time.sleep(0.1)
    raise SystemExit("There is no invoice after a minute.")


def create_admin(goticket: str, environment: dict[str, str], home: pathlib.Path) -> None:
    subprocess.run(
        [goticket, "user", "create", "--email", EMAIL, "--role", "admin", "--password-stdin"],
        env=environment, cwd=home, input=PASSWORD + "\n", text=True, check=True, timeout=60,
    )  # fmt: skip


def login(url: str) -> str:
    return call(f"{url}/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})["accessToken"]


def call(url: str, body: dict | None, token: str | None = None, method: str | None = None):
    """What a POST of this body is answered, or a GET without one, or another method."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{request.get_method()} {url}: {error.code} {error.read().decode()}") from None


def await_ready(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"The server ended at its start: exit code {server.returncode}.")
        try:
            with urllib.request.urlopen(f"{url}/readiness", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("The server is not ready after a minute.")


def stop(server: subprocess.Popen) -> bool:
    server.terminate()
    try:
        return server.wait(timeout=30) == 0
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the other programs write
    # As exceptions, so that the server is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    sys.exit(main(*sys.argv[1:]))
