#!/usr/bin/env python3
"""PyTorch's side of `benches/student_step.rs`: the same network, step and sizes, and the two in turn.

    python benches/peers/student_step.py                              # only PyTorch
    python benches/peers/student_step.py --against target/.../student_step-<hash>   # in turn, as paired ratios
    python benches/peers/student_step.py --architecture resnet-18 --cases 224/8

Needs torch and transformers (`make bench-peers`). The network is that of transformers, and torchvision's, whose MobileNetV2 pads
inside the convolution and is faster, where torchvision is installed. Each turn
runs every contender once, one after another, so that whatever else the machine does falls on all of them; the ratio of
a turn is decant's images/s over PyTorch's, and the median over turns is printed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

CASES = ["224/8", "224/32", "96/32", "32/64"]
PARTS = ["forward", "backward", "optimiser", "step", "evaluation"]


def network(architecture, name, size):
    if name == "torchvision":
        from torchvision.models import mobilenet_v2, resnet18

        if architecture == "resnet-18":
            return resnet18(num_classes=3)
        return mobilenet_v2(num_classes=3, dropout=0.0)
    if architecture == "resnet-18":
        from transformers import ResNetConfig, ResNetForImageClassification

        config = ResNetConfig(hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic", num_labels=3)
        model = ResNetForImageClassification(config)
    else:
        from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

        config = MobileNetV2Config(image_size=size, num_labels=3, classifier_dropout_prob=0.0)
        model = MobileNetV2ForImageClassification(config)
    forward = model.forward
    model.forward = lambda pixels: forward(pixels).logits
    return model


def measure(architecture, name, layout, case, steps):
    """Images a second of the fastest of `steps` steps, by part."""
    import torch

    size, batch = (int(number) for number in case.split("/"))
    torch.manual_seed(0)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = network(architecture, name, size).to(memory_format=memory_format).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)
    pixels = (torch.arange(batch * 3 * size * size) * 7919 % 1013).float() / 506.5 - 1
    pixels = pixels.reshape(batch, 3, size, size).to(memory_format=memory_format)
    labels = torch.arange(batch) % 3
    best = dict.fromkeys(PARTS, float("inf"))

    def note(part, seconds):
        best[part] = min(best[part], seconds)

    for step in range(steps + 1):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(pixels), labels)
        forward = time.perf_counter()
        loss.backward()
        backward = time.perf_counter()
        optimiser.step()
        optimiser.zero_grad()
        end = time.perf_counter()
        if step > 0:
            note("forward", forward - start)
            note("backward", backward - forward)
            note("optimiser", end - backward)
            note("step", end - start)
    model.eval()
    with torch.inference_mode():
        for _ in range(steps):
            start = time.perf_counter()
            model(pixels)
            note("evaluation", time.perf_counter() - start)
    return {part: batch / seconds for part, seconds in best.items()}


def turn(command, environment):
    """Runs one contender in a process of its own: its line of JSON, and the most memory that the process held."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    return json.loads(output.strip().splitlines()[-1]) | {"peak_mb": usage.ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", help="the built benchmark of decant")
    parser.add_argument("--architecture", default="mobilenet-v2", choices=["mobilenet-v2", "resnet-18"])
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--networks", nargs="*", default=["transformers", "torchvision"])
    parser.add_argument("--layouts", nargs="*", default=["contiguous", "channels_last"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.one:
        import torch

        torch.set_num_threads(options.threads)
        name, layout, case = options.one.split(",")
        print(json.dumps(measure(options.architecture, name, layout, case, options.steps)))
        return

    threads = str(options.threads)
    environment = os.environ | {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    peers = [f"{name},{layout}" for name in options.networks for layout in options.layouts]
    shared = ["--architecture", options.architecture, "--steps", str(options.steps)]
    for case in options.cases:
        results = {name: [] for name in [*(["decant"] if options.against else []), *peers]}
        for _ in range(options.turns):
            for name in results:
                command = [options.against, case, "--json"]
                if name != "decant":
                    command = [sys.executable, __file__, "--threads", threads, "--one", f"{name},{case}"]
                results[name].append(turn(command + shared, environment))
        for name, turns in results.items():
            rates = {part: statistics.median(result[part] for result in turns) for part in PARTS}
            peak = statistics.median(result["peak_mb"] for result in turns)
            line = {"case": case, "contender": name, "peak_mb": round(peak), "images_per_second": rates}
            if options.against and name != "decant":
                line["decant_over_this"] = {
                    part: round(statistics.median(a[part] / b[part] for a, b in zip(results["decant"], turns)), 3)
                    for part in PARTS
                }
            line["images_per_second"] = {part: round(rate, 1) for part, rate in rates.items()}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
