#!/usr/bin/env bash
# decant bench on a device, then PyTorch and Python's ONNX Runtime on the same one, where they are installed:
#
#   benches/peers/gpu.sh target/release/decant cuda:0       # PYTHON=python3 names another interpreter
#   benches/peers/gpu.sh target/release/decant cpu --quick
set -euo pipefail
decant=${1:?usage: gpu.sh DECANT DEVICE [--quick]} device=${2:?usage: gpu.sh DECANT DEVICE [--quick]}
shift 2
here=$(cd "$(dirname "$0")" && pwd)
date -u
nvidia-smi --query-gpu=name,driver_version --format=csv 2>/dev/null || true
"$decant" bench --device "$device" --output gpu-decant.json "$@"
"${PYTHON:-python3}" "$here/gpu.py" --device "$device" --output gpu-peers.json "$@"
