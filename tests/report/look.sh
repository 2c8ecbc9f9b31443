#!/bin/sh
# Makes the pages that fixtures.py says, and looks at each in a headless Chromium.
#   tests/report/look.sh [OUT]      screenshots and PDFs go to OUT (target/report-look)
set -e
decant=${DECANT:-target/release/decant}
out=${1:-target/report-look}
python=${PYTHON:-python3}
mkdir -p "$out"
"$python" tests/report/fixtures.py "$decant" "$out"
"$python" tests/report/look.py "$out" "$out"/*.html
