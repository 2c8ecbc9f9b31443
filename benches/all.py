#!/usr/bin/env python3
"""Measures every number of docs/benchmarks.md in one session, and writes docs/benchmarks/*.json.

    make bench-all                         # an hour or two of a quiet machine; needs the venvs, which it makes (3 GB)
    make bench-all ARGS="--quick"          # minutes: tiny sizes, into target/benchmarks-quick; the numbers mean nothing
    make bench-all ARGS="--only online"    # one part

Each file holds the command, the version and commit of decant, the date, the machine and its load before and after, and what the
command printed as data. `benches/tables.py` makes the tables of the page from them, and `benches/figures.py` the figures.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = ["student-step", "online", "stage-one", "store-read", "store-write", "prepare"]
# Above this the machine is not quiet, and what is measured is not written beside the docs.
QUIET_LOAD = 0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see whether everything runs")
    parser.add_argument("--decant", type=pathlib.Path, default=ROOT / "target/release/decant")
    parser.add_argument("--benches", type=pathlib.Path, default=ROOT / "target/release/deps", help="where cargo put the benchmarks")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / ".venv/peers/bin/python", help="with benches/peers/requirements.txt")
    parser.add_argument("--python-teacher", type=pathlib.Path, default=ROOT / ".venv/teacher-cache/bin/python")
    parser.add_argument("--out", type=pathlib.Path, help="[docs/benchmarks, or target/benchmarks-quick]")
    parser.add_argument("--busy", action="store_true", help="measure although other work runs; the files say so")
    options = parser.parse_args()
    out = options.out or ROOT / ("target/benchmarks-quick" if options.quick else "docs/benchmarks")
    load = os.getloadavg()[0]
    if load > QUIET_LOAD and not (options.quick or options.busy):
        sys.exit(f"the load is {load:.1f}: wait until it is below {QUIET_LOAD}, or measure nevertheless with --busy")
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for part in options.only:
        print(f"{part} ...", file=sys.stderr, flush=True)
        head = facts(options)
        try:
            command, results = MEASURES[part](options)
        except subprocess.CalledProcessError as error:
            print(f"{part} failed: {error}\n{(error.stderr or '')[-2000:]}", file=sys.stderr)
            failed.append(part)
            continue
        head["load_after"] = round(os.getloadavg()[0], 2)
        (out / f"{part}.json").write_text(json.dumps({"command": command, **head, **results}, indent=2) + "\n")
    if failed:
        sys.exit(f"failed: {' '.join(failed)}")


def facts(options):
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text()) if sys.platform == "linux" else None
    return {
        "version": output([options.decant, "--version"]).split()[-1],
        "commit": output(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip(),
        "date": datetime.date.today().isoformat(),
        "machine": f"{len(os.sched_getaffinity(0))} cores of an {model[1].strip() if model else platform.processor()}",
        "quick": options.quick,
        "load_before": round(os.getloadavg()[0], 2),
    }


def student_step(options):
    small = ["--turns", "1", "--steps", "1", "--cases", "32/64"] if options.quick else ["--turns", "3"]
    text = output([options.python, ROOT / "benches/peers/student_step.py", "--against", bench(options, "student_step"), *small])
    return 'make bench-peers ARGS="--turns 3"', {"contenders": lines_of(text)}


def online(options):
    small = ["--turns", "1", "--steps", "1", "--images", "8"] if options.quick else ["--turns", "3"]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        script = ROOT / "benches/peers/online_distill.py"
        output([options.python, script, "--decant", options.decant, "--json", file.name, *small])
        return "make bench-online", json.loads(pathlib.Path(file.name).read_text())


def stage_one(options):
    script = [options.python_teacher, ROOT / "benches/peers/teacher_cache.py", "--against", bench(options, "teacher_cache"), "--decant", options.decant]
    if options.quick:
        runs = [["--images", "48", "--turns", "1", "--workers", "1", "--teachers", "embedded", "--formats", "jpeg"]]
    else:
        runs = [
            ["--images", "256", "--turns", "3", "--workers", "1", "--teachers", "vit-b16", "--formats", "jpeg"],
            ["--teachers", "embedded"],
        ]
    found = [line for run in runs for line in lines_of(output([*script, *run]))]
    return 'make bench-teacher-cache ARGS="' + '" and "'.join(" ".join(run) for run in runs) + '"', {"contenders": found}


def store_read(options):
    rounds = 1 if options.quick else 3
    values = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        environment = os.environ | {"DECANT_BENCH_DIR": folder}
        for _ in range(rounds):
            text = output([bench(options, "store_gather")], environment)
            made = next(pathlib.Path(folder).glob("gather-*"))
            text += output([options.python, ROOT / "benches/peers/store_gather.py", made], environment)
            for name, order, value, unit in (line.split() for line in text.splitlines()):
                values.setdefault((name, order, unit), []).append(float(value))
    readers = [{"reader": name, "order": order, "unit": unit, "values": found} for (name, order, unit), found in values.items()]
    return "benches/store.sh", {"readers": readers}


def store_write(options):
    text = output([bench(options, "store_write")])
    pattern = r"(\d+) temperature\(s\): (\d+) rows/s .*plain synced writes (\d+) rows/s"
    rows = [{"temperatures": int(t), "rows_per_second": int(r), "plain_rows_per_second": int(p)} for t, r, p in re.findall(pattern, text)]
    return "cargo bench --bench store_write", {"writes": rows}


def prepare(options):
    text = output([bench(options, "prepare")])
    pattern = r"^(decode|resize|normalise|hash|all)\s+([\d.]+) ms"
    return "cargo bench --bench prepare", {"milliseconds": {name: float(ms) for name, ms in re.findall(pattern, text, re.MULTILINE)}}


MEASURES = dict(zip(PARTS, [student_step, online, stage_one, store_read, store_write, prepare]))


def bench(options, name):
    """The newest build of one of benches/*.rs."""
    found = [path for path in options.benches.glob(f"{name}-*") if not path.suffix and os.access(path, os.X_OK)]
    if not found:
        sys.exit(f"no benchmark {name} in {options.benches}: build it with cargo build --release --locked --benches")
    return max(found, key=lambda path: path.stat().st_mtime)


def output(command, environment=None):
    result = subprocess.run([str(word) for word in command], env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout


def lines_of(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


if __name__ == "__main__":
    main()
