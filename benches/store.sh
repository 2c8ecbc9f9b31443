#!/bin/sh
# Reads one made-up cache with decant and with other readers, in turns, and prints one table of medians.
#
#   PYTHON=path/to/python benches/store.sh      # a Python with benches/peers/requirements.txt; PROFILE=bench
#
# DECANT_BENCH_DIR says where the cache goes (0.6 GB); it should be a file system that stays in memory.
set -eu
cd "$(dirname "$0")/.."
made=
if [ -z "${DECANT_BENCH_DIR:-}" ]; then
    made=$(mktemp -d /dev/shm/decant-bench-XXXXXX 2>/dev/null || mktemp -d)
    export DECANT_BENCH_DIR="$made"
    trap 'rm -rf "$made"' EXIT
fi
profile="${PROFILE:-bench}"
lines="$DECANT_BENCH_DIR/lines"
: > "$lines"
for round in 1 2 3; do
    cargo bench --quiet --profile "$profile" --bench store_gather >> "$lines"
    "${PYTHON:-python3}" benches/peers/store_gather.py "$(echo "$DECANT_BENCH_DIR"/gather-*)" >> "$lines"
done
uptime
"${PYTHON:-python3}" benches/peers/table.py < "$lines"
