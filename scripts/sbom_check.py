"""Checks a CycloneDX document: its shape, and that every crate of `cargo tree` (standard input) is in it.

Usage: cargo tree … --prefix none --format '{p}' | sbom_check.py FILE
"""

import json
import re
import sys

SERIAL = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Code of others has to be recognised beyond doubt: by its package URL and the SHA-256 that Cargo.lock demands.
FOREIGN = "pkg:cargo/"


def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    faults = shape(document) + missing(document, sys.stdin.read())
    for fault in dict.fromkeys(faults):
        print(f"{path}: {fault}", file=sys.stderr)
    if not faults:
        print(f"{path}: {len(document['components'])} components, every crate of the binary among them")
    return 1 if faults else 0


def shape(document: dict) -> list[str]:
    faults = []
    if document.get("bomFormat") != "CycloneDX" or document.get("specVersion") != "1.5":
        faults.append("is not CycloneDX 1.5")
    if not SERIAL.fullmatch(document.get("serialNumber", "")):
        faults.append("has no serial number")
    subject = document.get("metadata", {}).get("component", {})
    if subject.get("name") != "goticket" or not subject.get("version"):
        faults.append("is not about goticket")
    components = document.get("components", [])
    known = {subject.get("bom-ref")} | {component.get("bom-ref") for component in components}
    if len(known) != len(components) + 1:
        faults.append("names a component twice")
    for component in components:
        name = component.get("name")
        for key in ("type", "name", "version", "purl", "bom-ref", "licenses"):
            if not component.get(key):
                faults.append(f"{name} has no {key}")
        is_foreign = component.get("purl", "").startswith(FOREIGN) and "download_url=file" not in component["purl"]
        if is_foreign and not any(hash["alg"] == "SHA-256" for hash in component.get("hashes", [])):
            faults.append(f"{name} has no SHA-256")
    for dependency in document.get("dependencies", []):
        for reference in [dependency["ref"], *dependency.get("dependsOn", [])]:
            if reference not in known:
                faults.append(f"{reference} is depended on and not described")
    return faults


def missing(document: dict, tree: str) -> list[str]:
    described = {(component["name"], component["version"]) for component in document.get("components", [])}
    subject = document.get("metadata", {}).get("component", {})
    described.add((subject.get("name"), subject.get("version")))
    # "serde v1.0.229", with a path or marks behind it.
    linked = {(name, version.lstrip("v")) for name, version, *_ in (line.split() for line in tree.splitlines() if line)}
    if not linked:
        return ["cargo tree says nothing"]
    return [f"{name} {version} is in the binary and not described" for name, version in sorted(linked - described)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
