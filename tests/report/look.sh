#!/bin/sh
# Makes the reports of the demo's cache, of one run and of all of them, and looks at each in a headless Chromium.
#   tests/report/look.sh [OUT]      after make demo; screenshots and PDFs go to OUT (target/report-look)
set -e
decant=${DECANT:-target/release/decant}
out=${1:-target/report-look}
mkdir -p "$out"
"$decant" report "$(ls -d cache/leaves-* | head -1)" -p pipelines/leaves.toml -o "$out/cache.html"
"$decant" report "$(ls -d runs/leaves-* | head -1)" -o "$out/run.html" --charts "$out/charts"
"$decant" report runs/leaves-* -o "$out/sweep.html"
"${PYTHON:-python3}" tests/report/look.py "$out" "$out/cache.html" "$out/run.html" "$out/sweep.html"
