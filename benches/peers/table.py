"""Puts the lines of several rounds (`name order value unit`) into one table of medians, with ratios to memcpy."""

import statistics
import sys
from collections import defaultdict

values = defaultdict(list)
units = {}
for line in sys.stdin:
    name, order, value, unit = line.split()
    values[name, order].append(float(value))
    units[name, order] = unit
median = {key: statistics.median(found) for key, found in values.items()}

print("| reader | order | median | of memcpy |\n| --- | --- | ---: | ---: |")
for (name, order), value in median.items():
    memcpy = median.get(("memcpy", order))
    ratio = f"{value / memcpy:.3f}" if memcpy and units[name, order] == "GB/s" else "-"
    print(f"| {name} | {order} | {value:.2f} {units[name, order]} | {ratio} |")
