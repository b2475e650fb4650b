"""Checks what the pages about security say of the repository: every file and every test that they name is there, links
lead somewhere, and the ASVS table has every requirement of levels 1 and 2 once.

Usage: security_docs.py   (from anywhere)
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["SECURITY.md", "docs/security.md", "docs/compliance.md", "docs/edge-cases.md"]
# Requirements of OWASP ASVS 5.0.0 at levels 1 and 2.
ASVS_REQUIREMENTS = 253
STATES = {"met", "partly", "not met", "not applicable", "operator"}

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SUFFIXES = (".rs", ".md", ".sh", ".py", ".toml", ".json", ".html", ".js")
# Names of tests are sentences: three words at least.
TEST = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+){2,}")
TEST_FUNCTION = re.compile(
    r"#\[(?:tokio::)?(?:test|rstest)[^\]]*\](?:\s*(?:#\[[^\]]*\]|//[^\n]*))*\s*(?:async\s+)?fn\s+(\w+)"
)
# What macros make a test of for each engine, where they list it.
LISTED = re.compile(r"^(?:\w+::)?on_\w+_engines?!(?: \{|\()$(.*?)^(?:\}|\);)$", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"async fn (\w+)\(")
REQUIREMENT = re.compile(r"V\d+\.\d+\.\d+")


def main() -> int:
    tests = known_tests()
    faults = [fault for page in PAGES for fault in faults_of(ROOT / page, tests)]
    faults += faults_of_table((ROOT / "docs/security.md").read_text())
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def known_tests() -> set[str]:
    tests = set()
    contract = "".join(file.read_text() for file in (ROOT / "crates/testkit/src/contract").glob("*.rs"))
    for file in (ROOT / "crates").rglob("*.rs"):
        text = file.read_text()
        if not any(mark in text for mark in ["#[test]", "#[tokio::test", "#[rstest", "on_both_engines!"]):
            continue
        tests.update(TEST_FUNCTION.findall(text))
        listed = " ".join(LISTED.findall(text))
        tests.update(set(FUNCTION.findall(text + contract)) & set(re.findall(r"\w+", listed)))
    return tests


def faults_of(page: pathlib.Path, tests: set[str]) -> list[str]:
    faults = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        where = f"{page.relative_to(ROOT)}:{number}"
        for code in CODE.findall(line):
            if TEST.fullmatch(code) and code not in tests:
                faults.append(f"{where}: there is no test {code}")
            elif code.endswith(SUFFIXES) and "/" in code and code[0] != "/" and not exists(code):
                faults.append(f"{where}: there is no file {code}")
        for target in LINK.findall(line):
            if "://" not in target and not (page.parent / target).exists():
                faults.append(f"{where}: {target} leads nowhere")
    return faults


def exists(path: str) -> bool:
    return (ROOT / path).exists() or (ROOT / "crates" / path).exists()


def faults_of_table(text: str) -> list[str]:
    seen: set[str] = set()
    faults = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        requirements = REQUIREMENT.findall(cells[0])
        if not line.startswith("| V") or not requirements:
            continue
        if len(cells) != 4 or cells[1] not in STATES:
            faults.append(f"docs/security.md: {cells[0]} has no state of {', '.join(sorted(STATES))}")
        faults += [f"docs/security.md: {one} stands twice" for one in requirements if one in seen]
        seen.update(requirements)
    if len(seen) != ASVS_REQUIREMENTS:
        faults.append(f"docs/security.md: {len(seen)} requirements of ASVS and not {ASVS_REQUIREMENTS}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
