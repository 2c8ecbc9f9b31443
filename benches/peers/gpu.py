#!/usr/bin/env python3
"""What decant bench measures, in PyTorch and in Python's ONNX Runtime; `gpu.sh` runs both.

Stage two: MobileNetV2 1.0, forward, cross-entropy, backward, AdamW, on batches that lie ready: eager float32, channels_last under bf16
autocast, and the same under torch.compile. Stage one: a bare loop of the embedded teacher in ONNX Runtime, and ViT-B/16 with random
weights in PyTorch. 20 steps warm up, and the device is synchronised before the clock starts and before it stops.
"""

import argparse
import importlib.util
import json
import pathlib
import time

EMBEDDED = pathlib.Path(__file__).resolve().parents[2] / "pipelines/teachers/leaves/model.onnx"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda:0", help="cuda:N or cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes, which show that it works")
    parser.add_argument("--output", default="gpu-peers.json")
    options = parser.parse_args()
    if options.device != "cpu" and not options.device.startswith("cuda"):
        print(f"the peers run on cuda:N and on the CPU, not on {options.device}: not measured")
        return
    rows = []
    if missing := [name for name in ["torch", "torchvision"] if importlib.util.find_spec(name) is None]:
        print(f"{' and '.join(missing)} not installed: PyTorch is not measured")
    else:
        rows += students(options) + [vit(options, batch, half) for batch, half in vit_cases(options)]
    if importlib.util.find_spec("onnxruntime") is None:
        print("onnxruntime not installed: it is not measured")
    else:
        rows += [bare_loop(options, batch) for batch in batches(options)]
    pathlib.Path(options.output).write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print(f"{row['what']:60} batch {row['batch']:4} {row['images_per_second']:10.1f} images/s")


def batches(options):
    if options.quick:
        return [4]
    return [4, 16] if options.device == "cpu" else [32, 64, 128, 256]


def vit_cases(options):
    if options.quick:
        return []
    return [(4, False)] if options.device == "cpu" else [(batch, half) for half in [False, True] for batch in batches(options)]


def rate(call, batch, options, synchronise):
    """Images a second of `call`."""
    on_cpu = options.device == "cpu"
    for _ in range(1 if options.quick or on_cpu else 20):
        call()
    synchronise()
    budget, count, start = 0.2 if options.quick else 8, 0, time.perf_counter()
    while count < 2 or time.perf_counter() - start < budget:
        call()
        count += 1
        # Asynchronous calls would be queued without end.
        if count % 10 == 0:
            synchronise()
    synchronise()
    return count * batch / (time.perf_counter() - start)


def synchroniser(options):
    import torch

    return (lambda: None) if options.device == "cpu" else torch.cuda.synchronize


def students(options):
    import torch
    from torchvision.models import mobilenet_v2

    device = torch.device(options.device)
    cases = [(32, 8)] if options.quick else [(224, 8)] if options.device == "cpu" else [(224, 64), (224, 256)]
    ways = [("eager float32", False, False), ("channels_last, bf16 autocast", True, False)]
    if not options.quick and options.device != "cpu":
        ways.append(("channels_last, bf16 autocast, torch.compile", True, True))
    rows = []
    for side, batch in cases:
        for name, half, compiled in ways:
            torch.manual_seed(0)
            layout = torch.channels_last if half else torch.contiguous_format
            model = mobilenet_v2(num_classes=3).to(device, memory_format=layout).train()
            pixels = torch.randn(batch, 3, side, side, device=device).to(memory_format=layout)
            labels = torch.arange(batch, device=device) % 3
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=options.device != "cpu")
            forward = torch.compile(model) if compiled else model

            def step():
                with torch.autocast(device.type, torch.bfloat16, enabled=half):
                    loss = torch.nn.functional.cross_entropy(forward(pixels), labels)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()

            images = rate(step, batch, options, synchroniser(options))
            rows.append({"what": f"PyTorch MobileNetV2 {side} px, {name}", "batch": batch, "images_per_second": images})
    return rows


def vit(options, batch, half):
    import torch
    from torchvision.models import vit_b_16

    kind = torch.float16 if half else torch.float32
    model = vit_b_16(num_classes=3).to(options.device, kind).eval()
    pixels = torch.randn(batch, 3, 224, 224, device=options.device, dtype=kind)

    def call():
        with torch.inference_mode():
            model(pixels)

    images = rate(call, batch, options, synchroniser(options))
    return {"what": f"PyTorch ViT-B/16, {'fp16' if half else 'fp32'}", "batch": batch, "images_per_second": images}


def bare_loop(options, batch):
    import numpy
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    if options.device != "cpu":
        index = int(options.device.partition(":")[2] or 0)
        providers = [("CUDAExecutionProvider", {"device_id": index, "use_tf32": 0})]
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(str(EMBEDDED), providers=providers)
    # Without the provider ONNX Runtime would fall back to the CPU in silence.
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    if wanted not in session.get_providers():
        raise SystemExit(f"error: ONNX Runtime has no {wanted}")
    kind, index = ("cpu", 0) if options.device == "cpu" else ("cuda", int(options.device.partition(":")[2] or 0))
    pixels = numpy.random.default_rng(0).standard_normal((batch, 3, 224, 224), dtype=numpy.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("pixel_values", onnxruntime.OrtValue.ortvalue_from_numpy(pixels, kind, index))
    binding.bind_output("logits", "cpu")
    images = rate(lambda: session.run_with_iobinding(binding), batch, options, lambda: None)
    return {"what": "ONNX Runtime embedded:leaves, bare loop", "batch": batch, "images_per_second": images}


if __name__ == "__main__":
    main()
