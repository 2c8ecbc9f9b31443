#!/usr/bin/env bash
# wheel.sh WHEEL: installs it into an empty venv in a folder of its own, outside of the checkout, and uses it there as anyone would.
set -euo pipefail
wheel=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset ORT_DYLIB_PATH VIRTUAL_ENV CONDA_PREFIX DECANT_CACHE DECANT_RUNS PYTHONPATH
${PYTHON:-python3} -m venv env
env/bin/pip install --quiet --disable-pip-version-check "$wheel"
PATH="$folder/env/bin:/usr/bin:/bin"

# The venv is not active: the program finds the library in the environment that it is installed in.
decant doctor | tee doctor.txt
grep -q "$folder/env/lib/.*/onnxruntime/capi/libonnxruntime" doctor.txt
! grep -q "make \|pipelines/" doctor.txt
decant --version
decant completions bash > completions.bash
grep -q "teacher-cache" completions.bash
if ${QUICK:-true}; then
    start=$SECONDS
    decant demo --quick
    echo "the demo took $((SECONDS - start)) s"
fi

# A pipeline by its name, then the reader on the images that the program wrote.
decant data synth --out images --train 12 --validation 6 --test 6 --severity 1
decant teacher-cache -p smoke.toml --set dataset.source='"images"' --set cache.views=2 --cache-dir caches
python - <<'PY'
from pathlib import Path
import decant

[folder] = Path("caches").iterdir()
cache = decant.Cache(folder)
cache.verify()
train = cache.split("train")
images = train.images("images")
for row in range(len(train)):
    images.pixels(row)
print(f"decant {decant.__version__} reads {len(train)} rows and replays each to the bit; soft targets {train.soft(5.0, [0])[0]}")
PY
python -c "import decant, importlib.metadata as m; assert decant.__version__ == m.version('decant-ml')"
echo "the wheel works outside of the checkout"
