"""Lets wapiti, a web scanner, loose on a fresh GoTicket on SQLite, as a signed-in admin, who reaches everything.

It attacks every operation of the OpenAPI document (path, query and body parameters, as far as it can fill them) and
the pages: injection of SQL, commands, files, templates, headers and entities, forged requests, redirects, forgotten
files, methods. The instance lives in a temporary folder on free loopback ports and is stopped in every case. The report
stays; the exit code is 1 for a vulnerability that is not answered in docs/security.md, for a 5xx, or where
`goticket verify` finds something afterwards.

Usage: scan.py GOTICKET WAPITI FOLDER (two programs, and where the report goes)
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

from fuzz_api import await_ready, create_admin, instance, login, seed, serve, stop

# Everything but what asks other machines (DNS, external endpoints), what guesses passwords (limited, tested in Rust),
# and what looks for other programs' files and flaws at great length.
MODULES = "backup,cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,https_redirect,ldap,methods,permanentxss," \
    "redirect,shellshock,sql,ssl,timesql,upload,xss,xxe"  # fmt: skip
# What the scanner finds of these kinds is answered in docs/security.md, "Scanners"; everything else fails the run.
ANSWERED = {"LDAP Injection"}
# Endless, or the end of the session with which the scanner goes on.
EXCLUDED = [
    "/stream", "/auth/logout", "/auth/web/logout", "/users/me/delete", "/auth/password/change", "/users/me/sessions",
]  # fmt: skip
ATTACK_SECS_MAX = 90
DEADLINE_SECS = 3_000


def main(goticket: str, wapiti: str, out: str) -> int:
    reports = pathlib.Path(out)
    reports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="goticket-scan-") as folder:
        home = pathlib.Path(folder)
        url, environment = instance(home)
        environment["GOTICKET_TELEMETRY__LOG_FORMAT"] = "json"
        log_path = reports / "server.log"
        server = serve(goticket, environment, home, log_path)
        try:
            await_ready(url, server)
            create_admin(goticket, environment, home)
            token = login(url)
            ids = {kind: known[0] for kind, known in seed(url, token).items()}
            document = filled(url, ids, home)
            finished = scan(wapiti, url, document, token, reports, home)
        finally:
            softly = stop(server)
        verified = subprocess.run([goticket, "verify"], env=environment, cwd=home).returncode == 0
    return report(reports, log_path, finished, softly, verified)


def filled(url: str, ids: dict[str, str], home: pathlib.Path) -> pathlib.Path:
    """The OpenAPI document with ids and values that hold, so that not everything ends in 404 and 400."""
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=10) as answer:
        document = json.load(answer)
    document["servers"] = [{"url": url}]
    paths = {}
    for path, operations in document["paths"].items():
        if any(path.endswith(end) for end in EXCLUDED):
            continue
        known = {name: ids[kind] for kind, name in re.findall(r"/([a-z-]+)/\{(\w+)\}", path) if kind in ids}
        for operation in operations.values():
            if isinstance(operation, dict):
                operation["parameters"] = parameters(operation.get("parameters", []), known)
        for name, value in known.items():
            path = path.replace("{" + name + "}", value)
        paths[path] = operations
    document["paths"] = paths
    file = home / "openapi.json"
    file.write_text(json.dumps(document))
    return file


def parameters(described: list[dict], known: dict[str, str]) -> list[dict]:
    """Without those that are filled in, and without cursors: a wrong one would hide all others behind its 400."""
    kept = [it for it in described if it.get("name") not in known and it.get("name") != "cursor"]
    for parameter in kept:
        schema = parameter.get("schema", {})
        if "enum" in schema:
            schema["default"] = schema["enum"][0]
        elif schema.get("format") == "date-time":
            schema["default"] = "2026-01-01T00:00:00Z"
    return kept


def scan(wapiti: str, url: str, document: pathlib.Path, token: str, reports: pathlib.Path, home: pathlib.Path) -> bool:
    command = [
        wapiti, "-u", f"{url}/", "--swagger", str(document), "-s", f"{url}/docs/", "--scope", "domain",
        "-m", MODULES, "-l", "2", "-H", f"Authorization: Bearer {token}",
        "--max-attack-time", str(ATTACK_SECS_MAX), "--max-scan-time", "300", "-d", "5", "-t", "20",
        "--flush-session", "--store-session", str(home / "session"), "--store-config", str(home / "config"),
        "--no-bugreport", "-f", "json", "-dr", "2", "-o", str(reports / "wapiti.json"), "-v", "1",
    ]  # fmt: skip
    for excluded in EXCLUDED:
        command += ["-x", f"{url}/*{excluded}*"]
    with open(reports / "wapiti.log", "w") as log:
        return subprocess.run(
            command, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=DEADLINE_SECS
        ).returncode == 0  # fmt: skip


def report(reports: pathlib.Path, log_path: pathlib.Path, finished: bool, softly: bool, verified: bool) -> int:
    found = json.loads((reports / "wapiti.json").read_text())
    statuses: dict[int, int] = {}
    failures = set()
    for line in log_path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        fields = entry.get("fields", entry)
        if isinstance(status := fields.get("status"), int):
            statuses[status] = statuses.get(status, 0) + 1
            if status >= 500:
                failures.add(f"{fields.get('method')} {fields.get('route')}: {status}")
    print(f"{sum(statuses.values())} requests:", ", ".join(f"{n} × {s}" for s, n in sorted(statuses.items())))
    open_ones = 0
    for kind in ("vulnerabilities", "anomalies"):
        for name, entries in found.get(kind, {}).items():
            for entry in entries:
                answered = name in ANSWERED
                open_ones += not answered
                what = f"{entry['method']} {entry['path']}: {entry['info']}"
                print(f"{'answered' if answered else 'OPEN'}: {name}: {what}")
    for failure in sorted(failures):
        print(f"OPEN: {failure}")
    print(f"Found and not answered: {open_ones}. The report is {reports / 'wapiti.json'}.")
    if not (softly and verified):
        print("The server did not stop softly, or `goticket verify` found differences.")
    return 0 if finished and softly and verified and not open_ones and not failures else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main(*sys.argv[1:]))
