#!/usr/bin/env python3
"""Runs the console blocks of README.md and docs/ against a built decant, each page in an empty folder of its own.

    make test-docs                                    # every page
    python3 tests/docs/run.py --decant PATH README.md docs/sweeps.md

A page's folder holds `photos/`, 102 drawn leaves with 12 of them unlabelled, and `teacher/`, the embedded teacher. A block is a
script, line by line; where lines begin with `$ `, only these are commands and the others are output. HTML comments, which readers
do not see, direct the runner:

    <!-- test-docs: skip a GPU -->            the next block is not run; the words say what it needs
    <!-- test-docs: setup                     commands that are run before what follows
    ...
    -->

So that training takes seconds, `decant` on a page is a wrapper that adds SMALL to the commands which train, and FEW images to the demo.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = "--set student.width=0.35 --set student.image-size=32 --set train.epochs=2"
FEW = "--set dataset.leaves.train=24 --set dataset.leaves.unlabelled=48 --set dataset.leaves.validation=12 --set dataset.leaves.test=12"
WRAPPER = f"""#!/bin/sh
case "$1" in
    demo) exec "$DECANT" "$@" --quick {FEW};;
    train-student|sweep|plan) command=$1; shift; exec "$DECANT" "$command" {SMALL} "$@";;
    *) exec "$DECANT" "$@";;
esac
"""
LONGEST_SECONDS = 300
# These would change the machine or need the network, so their blocks are to be skipped by name.
REFUSED = re.compile(r"(sudo |\S*pip |cargo |make |git |hf |optimum-cli |curl |npm |\S*python3? -m venv)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decant", type=pathlib.Path, default=ROOT / "target/release/decant")
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    pages = options.pages or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    ran, skipped, failed = 0, {}, []
    with tempfile.TemporaryDirectory(prefix="decant-docs-") as folder:
        bench = Bench(pathlib.Path(folder), options.decant.resolve())
        for page in pages:
            page = page.resolve()
            name = page.relative_to(ROOT)
            steps = list(steps_of(page.read_text()))
            for line, _, reason in steps:
                if reason:
                    skipped.setdefault(reason, []).append(f"{name}:{line}")
            commands = [(line, command) for line, command, reason in steps if not reason]
            if not commands:
                continue
            place, started = bench.place(), time.monotonic()
            for line, command in commands:
                problem = bench.run(place, command)
                ran += 1
                if problem:
                    failed.append(f"{name}:{line}")
                    print(f"\n{name}:{line}: {command}\n{problem}\n", flush=True)
            shutil.rmtree(place)
            print(f"{name}: {len(commands)} commands, {time.monotonic() - started:.0f} s", flush=True)
    for reason, places in sorted(skipped.items()):
        print(f"skipped, needs {reason}: {' '.join(places)}")
    print(f"{ran} commands ran, {sum(map(len, skipped.values()))} were skipped, {len(failed)} failed")
    sys.exit(f"failed: {' '.join(failed)}" if failed else 0)


def steps_of(text):
    """(line, command, None or what it needs) for each command of a page, in order."""
    lines = text.splitlines()
    reason, index = None, 0
    while index < len(lines):
        line = lines[index].strip()
        index += 1
        if match := re.fullmatch(r"<!-- test-docs: skip (.+) -->", line):
            reason = match[1]
        elif line == "<!-- test-docs: setup":
            begin = index
            index = lines.index("-->", begin)
            yield from ((at, command, None) for at, command in joined(lines, begin, index))
        elif line.startswith("```"):
            begin = index
            index = next(i for i in range(begin, len(lines)) if lines[i].strip() == "```") + 1
            if line == "```console":
                yield from ((at, command, reason) for at, command in joined(lines, begin, index - 1))
            reason = None


def joined(lines, begin, end):
    """The commands of a block with their line numbers: continued lines as one, without output."""
    block = [(at + 1, lines[at].strip()) for at in range(begin, end)]
    if any(line.startswith("$ ") for _, line in block):
        block = [(at, line[2:]) for at, line in block if line.startswith("$ ")]
    command, first = "", None
    for at, line in block:
        first = first or at
        command += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        if command and not command.startswith("#"):
            yield first, command
        command, first = "", None


class Bench:
    """The fixtures and the environment that every page gets."""

    def __init__(self, folder, decant):
        self.folder = folder
        self.count = 0
        programs = folder / "bin"
        programs.mkdir()
        wrapper = programs / "decant"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        home = folder / "home"
        home.mkdir()
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "DECANT": str(decant),
            "HOME": str(home),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        }
        library = os.environ.get("ORT_DYLIB_PATH") or next(iter(sorted(ROOT.glob(".onnxruntime/onnxruntime/capi/libonnxruntime*"))), None)
        if library:
            self.environment["ORT_DYLIB_PATH"] = str(library)
        fixtures = folder / "fixtures"
        sizes = "--train 60 --validation 15 --test 15 --unlabelled 12 --severity 1"
        subprocess.run([decant, "data", "synth", "--out", fixtures / "photos", *sizes.split()], check=True, stdout=subprocess.DEVNULL)
        shutil.copytree(ROOT / "pipelines/teachers/leaves", fixtures / "teacher")
        self.fixtures = fixtures

    def place(self):
        self.count += 1
        place = self.folder / f"page-{self.count}"
        shutil.copytree(self.fixtures, place)
        return place

    def run(self, place, command):
        """Nothing, or what went wrong and what the command printed."""
        if REFUSED.match(command):
            return "this changes the machine or needs the network: mark its block with <!-- test-docs: skip ... -->"
        try:
            result = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", command], cwd=place, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"took more than {LONGEST_SECONDS} s"
        if result.returncode == 0:
            return None
        return f"{result.stdout[-3000:].strip()}\nexit code {result.returncode}"


if __name__ == "__main__":
    main()
