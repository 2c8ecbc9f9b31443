#!/usr/bin/env python3
"""Writes LICENSE-THIRD-PARTY: the licence of every crate that the program is built from, with the texts that it came with.

    .ci/licences.py [--features cuda] > LICENSE-THIRD-PARTY

Asks cargo, and needs the crates' sources, which a build has fetched.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked(options: list[str]) -> set[tuple[str, str]]:
    """Name and version of each crate that the program is built from, itself left out."""
    lines = cargo("tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", *options).splitlines()
    # `burn v0.22.1`, `serde_derive v1.0.1 (proc-macro)`: a procedural macro runs in the compiler.
    crates = {tuple(line.split()[:2]) for line in lines if line and "(proc-macro)" not in line}
    return {(name, version.removeprefix("v")) for name, version in crates if name != "decant-ml"}


def texts(folder: Path) -> list[str]:
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name.upper().startswith(NAMES) and file.suffix != ".rs")
    return [file.read_text(errors="replace").replace("\r\n", "\n").strip() for file in files]


def main() -> None:
    options = sys.argv[1:]
    packages = json.loads(cargo("metadata", "--format-version", "1", *options))["packages"]
    wanted, found = linked(options), {}
    for package in packages:
        name = (package["name"], package["version"])
        if name in wanted:
            found[name] = package["license"] or package["license_file"] or sys.exit(f"error: {name[0]} names no licence"), Path(package["manifest_path"]).parent
    if missing := wanted - set(found):
        sys.exit(f"error: cargo does not describe {sorted(missing)[0]}")

    crates_of: dict[str, list[str]] = {}
    print(f"decant is built from {len(found)} crates. Each is used under the licence that stands beside it;")
    print("the texts that they came with follow. Where a crate came without one, the texts of LICENSE-MIT and LICENSE-APACHE are meant.")
    print("Its reports write in a part of Roboto Regular, Copyright 2015 Google Inc., Apache License 2.0.\n")
    for (name, version), (licence, folder) in sorted(found.items()):
        print(f"{name} {version}: {licence}")
        for text in dict.fromkeys(texts(folder)):
            crates_of.setdefault(text, []).append(f"{name} {version}")
    for text, crates in sorted(crates_of.items(), key=lambda one: one[1]):
        print(f"\n{'-' * 100}\n{', '.join(crates)}\n\n{text}")


if __name__ == "__main__":
    main()
