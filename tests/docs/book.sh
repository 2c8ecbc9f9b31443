#!/bin/sh
# Builds the book of docs/ into target/book/html, and fails on a warning or on a link that leads nowhere.
#
#   make docs           # MDBOOK=PATH names another mdbook
set -eu
cd "$(dirname "$0")/../.."
mdbook=${MDBOOK:-mdbook}
rm -rf target/book
mkdir -p target/book/src
# What pages link to keeps its place beside docs/, so that their links hold.
git ls-files -z docs cache/README.md README.md CONTRIBUTING.md CHANGELOG.md CITATION.cff python/decant/examples benches pipelines tests/docs |
    xargs -0 cp --parents -t target/book/src
sed -e 's#](\.\./#](#; t' -e 's#](\([a-z]\)#](docs/\1#' docs/SUMMARY.md > target/book/src/SUMMARY.md
rm target/book/src/docs/SUMMARY.md
"$mdbook" build 2>&1 | tee target/book/log
if grep -qE 'WARN|ERROR' target/book/log; then
    echo "make docs: mdbook warns" >&2
    exit 1
fi
python3 tests/docs/links.py target/book/html
