#!/usr/bin/env python3
"""Writes the tables of docs/benchmarks.md from docs/benchmarks/*.json, between `<!-- table: NAME -->` and `<!-- /table -->`.

    python3 benches/tables.py                                          # a table without its file stays as it is
    python3 benches/tables.py --results target/benchmarks-quick --print   # prints the tables in place of writing the page
"""

import argparse
import json
import pathlib
import re
import statistics

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/benchmarks.md"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/benchmarks")
    parser.add_argument("--print", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text()
    for name, table in TABLES.items():
        path = options.results / f"{name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        if result["quick"] and not options.print:
            raise SystemExit(f"{path} was measured with --quick: its numbers mean nothing")
        load = f", load {result['load_before']}" if result.get("load_before", 0) > 0.5 else ""
        head = f"Version {result['version']}, commit {result['commit']}, {result['date']}, {result['machine']}{load}: `{result['command']}`".replace('" and "', '"` and `"')
        text = f"{head}\n\n{table(result).strip()}\n"
        if options.print:
            print(f"## {name}\n\n{text}")
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- /table -->)"
        page, count = re.subn(pattern, lambda match: match[1] + text + match[2], page, flags=re.DOTALL)
        assert count == 1, f"{PAGE} has no place for the table {name}"
    if not options.print:
        PAGE.write_text(page)


def grid(heads, rows):
    """A Markdown table, all but its first column to the right."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def online(result):
    rows = []
    for row in result["experiments"]:
        ours, theirs = row["decant_minutes"], row["online_minutes"]
        name = f"{row['runs']} run{'s' if row['runs'] > 1 else ''} of 30 epochs"
        rows.append([name, f"{theirs:,.1f} min", f"{ours:.1f} min", f"{theirs / ours:.1f}"])
    rates = result["images_per_second"]
    return grid(["", "online, PyTorch", "decant", "ratio"], rows) + (
        f"\nImages a second: online {rates['online channels_last']:.1f} with channels_last and {rates['online']:.1f} without, "
        f"`teacher-cache` {rates['teacher-cache']:.1f}, `train-student` {rates['train-student']:.1f}.\n"
    )


def student_step(result):
    found = {(line["case"], line["contender"]): line for line in result["contenders"]}
    cases = list(dict.fromkeys(line["case"] for line in result["contenders"]))
    fast = "torchvision,channels_last"
    columns = [
        (fast, "forward", "torchvision, channels_last: forward"), (fast, "backward", "backward"), (fast, "step", "step"),
        ("torchvision,contiguous", "step", "contiguous: step"),
        ("transformers,channels_last", "step", "`transformers`, channels_last: step"), ("transformers,contiguous", "step", "contiguous: step"),
    ]
    rows = []
    for case in cases:
        own = found[case, "decant"]["images_per_second"]
        ratios = [f"{found[case, peer]['decant_over_this'][part]:.2f}" for peer, part, _ in columns]
        rows.append([case.replace("/", " / "), *(f"{own[part]:.3g}" if own[part] < 1000 else f"{own[part]:.0f}" for part in ["forward", "backward", "step"]), *ratios])
    peaks = {name: listed([f"{found[case, name]['peak_mb']:,}" for case in cases]) for name in ["decant", fast]}
    evaluation = listed([f"{found[case, fast]['decant_over_this']['evaluation']:.2f}" for case in cases])
    return grid(["pixels / batch", "forward", "backward", "step", *(head for *_, head in columns)], rows) + (
        f"\nMemory of the process: decant {peaks['decant']} MB; torchvision with channels_last {peaks[fast]} MB.\n"
        f"In evaluation, the forward pass is {evaluation} times as fast as torchvision's with channels_last.\n"
    )


def stage_one(result):
    names = {"vit-b16": "ViT-B/16", "embedded": "embedded teacher"}
    found = {(line["teacher"], line["files"], line["contender"]): line for line in result["contenders"]}
    rows = []
    for teacher, files in dict.fromkeys(key[:2] for key in found):
        over = lambda name: f"{found[teacher, files, name]['decant_over_this']:.2f}" if (teacher, files, name) in found else "-"
        rate = found[teacher, files, "decant"]["images_per_second"]
        bare = f"{over('ceiling')} ({over('ceiling, a session a thread')})"
        rows.append([f"{names[teacher]}, {files.upper()}", f"{rate:.3g}", bare, over("transformers"), over("onnxruntime")])
    return grid(["", "decant", "of the bare loop", "over `transformers`", "over ONNX Runtime in Python"], rows)


def store_read(result):
    found = {(line["reader"], line["order"]): statistics.median(line["values"]) for line in result["readers"]}
    readers = {
        "decant": ["decant"], "memcpy": ["memcpy"], "numpy `memmap`": ["numpy-memmap"], "`datasets`": ["datasets-arrow"],
        "pyarrow": ["pyarrow-parquet", "pyarrow-in-memory"],
    }
    rows = []
    for order in ["sequential", "random"]:
        values = [next((found[name, order] for name in names if (name, order) in found), None) for names in readers.values()]
        rows.append([order, *("-" if value is None else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}" for value in values)])
    return grid(["", *readers], rows) + (
        f"\nOpening 313 shards, as many as 1,281,167 rows make, takes {found['open', '313-shards']:.0f} ms. The check of every byte before training "
        f"reads {found['check', 'before-training']:.1f} GB/s, `cache verify` {found['check', 'cache-verify']:.1f} GB/s.\n"
    )


def store_write(result):
    rows = [
        [row["temperatures"], f"{round(row['rows_per_second'], -2):,}", f"{row['rows_per_second'] / row['plain_rows_per_second']:.2f}"]
        for row in result["writes"]
    ]
    return grid(["temperatures", "rows a second", "decant's rate over plain writes"], rows)


def prepare(result):
    return grid(["", "ms"], [[name, f"{value:.2f}"] for name, value in result["milliseconds"].items() if name != "all"])


def listed(texts):
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1]


TABLES = {
    "online": online, "student-step": student_step, "stage-one": stage_one, "store-read": store_read, "store-write": store_write, "prepare": prepare,
}


if __name__ == "__main__":
    main()
