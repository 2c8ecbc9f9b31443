#!/usr/bin/env bash
# A CUDA build on a machine without NVIDIA's driver: what is asked for by name is refused in one sentence, `auto` takes the CPU, nothing panics.
set -euo pipefail
decant=$(realpath "$1")
leaves=$(realpath "$(dirname "$0")/../../pipelines/leaves.toml")
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(ls "$(dirname "$leaves")"/../.onnxruntime/onnxruntime/capi/libonnxruntime.so.* | head -1)}
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
unset CUDA_PATH VIRTUAL_ENV CONDA_PREFIX

# said CODE SENTENCE COMMAND...: it ends with the code, and says the sentence on one line.
said() {
    local code=$1 sentence=$2 found=0
    shift 2
    "$@" >said.txt 2>&1 || found=$?
    echo "\$ ${*/#$decant/decant}  (exit code $found)"
    grep -F "$sentence" said.txt || { cat said.txt; echo "it does not say: $sentence" >&2; exit 1; }
    [ "$found" = "$code" ] || { cat said.txt; echo "the exit code is not $code" >&2; exit 1; }
    ! grep -E "panicked|RUST_BACKTRACE" said.txt || exit 1
}

if ldconfig -p | grep -q libcuda.so; then
    echo "this machine has a CUDA driver; decant bench --device cuda:0 checks it" >&2
    exit 1
fi
small=(-p "$leaves" --set dataset.leaves.unlabelled=20 --set dataset.leaves.test=30 --set student.image-size=32 --set train.epochs=1)
no_libdevice="install the NVIDIA driver, then nvidia-smi lists it; libdevice.10.bc was not found"
said 0 "$no_libdevice" "$decant" doctor
said 0 "cache    cache/leaves-" "$decant" teacher-cache "${small[@]}"
said 2 "no cuda device was found; see decant doctor" "$decant" train-student "${small[@]}" --device cuda:0
said 0 "on cpu" "$decant" train-student "${small[@]}" --device auto
said 2 "no cuda device was found; see decant doctor" "$decant" bench --quick --device cuda:0
said 0 "student  cpu" "$decant" bench --quick --device auto -o bench.json

# The file as the wheel nvidia-nvvm has it, and in a toolkit.
for root in venv/lib/python3.12/site-packages/nvidia/cu13 toolkit; do
    mkdir -p "$root/nvvm/libdevice" && touch "$root/nvvm/libdevice/libdevice.10.bc"
done
said 0 "install the NVIDIA driver, then nvidia-smi lists it" env VIRTUAL_ENV="$PWD/venv" "$decant" doctor
! grep -F "libdevice.10.bc was not found" said.txt
said 0 "install the NVIDIA driver, then nvidia-smi lists it" env CUDA_PATH="$PWD/toolkit" "$decant" doctor
! grep -F "libdevice.10.bc was not found" said.txt
