#!/usr/bin/env python3
"""Stage one beside what people write today: image files in, logits on disk, images/s and peak memory.

    make bench-teacher-cache                                    # all of it, on the CPU
    make bench-teacher-cache FEATURES=cuda ARGS="--device cuda"  # on a GPU; unmeasured so far

The contenders, each in a process of its own and one after another in every turn, so that whatever else the machine does
falls on all of them:

  decant         `decant teacher-cache`: hashing, decoding, views, the teacher, soft targets, a committed cache
  ceiling        a bare loop of `session.run` on ready tensors in the same ONNX Runtime (`benches/teacher_cache.rs`); on the CPU
                 once more with a session for each thread and batches of 4, the fastest way to run a model there
  transformers   ViTForImageClassification in PyTorch, AutoImageProcessor in the workers of a DataLoader
  onnxruntime    ONNX Runtime in Python behind the same DataLoader

All take the same images and number of threads; decant chooses its batch and sessions as it does for its users, the others'
batch is `--batch`. And the same library file runs all that is ONNX. The peers may choose: of
`--workers` and of both backends of the image processor, what is fastest on a few images is what takes part in the turns. Their rate
begins at the first file and ends with the logits on disk; opening the model and one batch to warm up are before it. The ratio of
a turn is decant's images/s over the other's, and medians over turns are printed. CPU time an image (decant's with everything from
its start on) is hardly moved by what else the machine does.

Two teachers: ViT-B/16 with random weights, which cost what learnt ones do, and the small one that decant embeds; PyTorch
has the latter's architecture with random weights. Two kinds of file: the generated leaves as decant writes
them (JPEG, 500 x 500, quality 90), and the same as PNG.

With `--device cuda` the PyTorch contender becomes three: eager float32, scaled dot product attention under bf16 autocast, and
the same under torch.compile.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target/bench-teacher-cache"
EMBEDDED = ROOT / "pipelines/teachers/leaves"
TEACHERS = ["vit-b16", "embedded"]
FORMATS = ["jpeg", "png"]
BACKENDS = ["torchvision", "pil"]


def main():
    options = parse()
    if options.one:
        print(json.dumps(peer(json.loads(options.one))))
        return
    if not options.against:
        sys.exit("error: --against names the program of benches/teacher_cache.rs, as `make bench-teacher-cache` gives it")
    WORK.mkdir(parents=True, exist_ok=True)
    for teacher in options.teachers:
        model = folder_of(teacher, options.precision)
        for form in options.formats:
            images = images_of(options, form)
            measure(options, teacher, model, form, images)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", help="the program of benches/teacher_cache.rs")
    parser.add_argument("--decant", default=ROOT / "target/release/decant", help="generates the leaves")
    parser.add_argument("--images", type=int, default=512, help="how many in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--workers", type=int, nargs="*", help="of a DataLoader; the fastest is taken [0, 1 and one a core]")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, the first GPU")
    parser.add_argument("--precision", choices=["fp32", "fp16"], default="fp32", help="of the exported ViT-B/16")
    parser.add_argument("--teachers", nargs="*", choices=TEACHERS, default=TEACHERS)
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=FORMATS)
    parser.add_argument("--peers", nargs="*", help="names of contenders beside decant and the ceiling [all]")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.workers = options.workers or sorted({0, 1, options.threads})
    return options


# What is measured: made once, kept under target/.


def folder_of(teacher, precision):
    """The folder of a teacher in optimum's layout."""
    if teacher == "embedded":
        return EMBEDDED
    folder = WORK / f"vit-b16-{precision}"
    if (folder / "preprocessor_config.json").exists():
        return folder
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    print("making a ViT-B/16 with random weights", file=sys.stderr)
    torch.manual_seed(0)
    checkpoint = WORK / "vit-b16-checkpoint"
    labels = dict(enumerate(json.loads((EMBEDDED / "config.json").read_text())["id2label"].values()))
    config = ViTConfig(num_labels=len(labels), id2label=labels, label2id={name: index for index, name in labels.items()})
    ViTForImageClassification(config).save_pretrained(checkpoint)
    (checkpoint / "preprocessor_config.json").write_text((EMBEDDED / "preprocessor_config.json").read_text())
    script = ROOT / "pipelines/teachers/export.py"
    command = [sys.executable, script, "--checkpoint", checkpoint, "--out", folder, "--precision", precision]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def images_of(options, form):
    """An image folder of generated leaves."""
    jpeg = WORK / f"leaves-{options.images}-jpeg"
    if not jpeg.exists():
        few = max(3, options.images // 20)
        sizes = {"train": max(3, options.images - 2 * few), "validation": few, "test": few}
        sizes = [text for name, size in sizes.items() for text in (f"--{name}", str(size))]
        made = jpeg.with_name("leaves-partial")
        subprocess.run(["rm", "-rf", made], check=True)
        subprocess.run([options.decant, "data", "synth", "--out", made, *sizes], check=True, stdout=sys.stderr)
        made.rename(jpeg)
    if form == "jpeg":
        return jpeg
    png = WORK / f"leaves-{options.images}-png"
    if not png.exists():
        from PIL import Image

        made = png.with_name("leaves-partial")
        subprocess.run(["rm", "-rf", made], check=True)
        for path in files_in(jpeg):
            target = made / path.relative_to(jpeg).with_suffix(".png")
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).save(target)
        made.rename(png)
    return png


def files_in(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix in {".jpg", ".png"})


# Each in turn.


def measure(options, teacher, model, form, images):
    contenders = {
        "decant": [options.against, "--one", "stage-one", *ours(options, model), "--images", images],
        "ceiling": [options.against, "--one", "ceiling", *ours(options, model)],
    }
    if options.device == "cpu" and options.threads > 1:
        several = [options.against, "--one", "ceiling", *ours(options, model, batch=4), "--sessions", str(options.threads)]
        contenders["ceiling, a session a thread"] = several
    for name in peers_on(options.device):
        if options.peers is None or name in options.peers:
            contenders[name] = fastest(options, name, model, images)
    turns = {name: [] for name in contenders}
    for _ in range(options.turns):
        for name, command in contenders.items():
            turns[name].append(run(command, watch=options.device == "cuda"))
    for name, results in turns.items():
        line = {"teacher": teacher, "files": form, "contender": name, "images": len(files_in(images))}
        for key in ["images_per_second", "cpu_ms_per_image", "whole_seconds", "peak_mb"]:
            line[key] = round(statistics.median(result[key] for result in results), 1)
        if name != "decant":
            pairs = zip(turns["decant"], results)
            line["decant_over_this"] = round(statistics.median(a["images_per_second"] / b["images_per_second"] for a, b in pairs), 3)
        for key in ["setting", "gpu_busy_percent"]:
            if key in results[0]:
                line[key] = results[0][key]
        print(json.dumps(line), flush=True)


def ours(options, model, batch=None):
    device = "cuda:0" if options.device == "cuda" else options.device
    shared = {"--model": model, "--batch": batch or options.batch, "--threads": options.threads, "--device": device, "--count": options.images}
    return [str(text) for pair in shared.items() for text in pair]


def peers_on(device):
    if device == "cpu":
        return ["transformers", "onnxruntime"]
    return ["transformers eager fp32", "transformers sdpa bf16", "transformers compile bf16", "onnxruntime"]


def fastest(options, name, model, images):
    """The command of a peer with the setting that is fastest on a few images."""
    best, command = 0.0, None
    few = max(2 * options.batch, min(options.images // 4, 8 * options.batch))
    for workers in options.workers:
        for backend in BACKENDS:
            setting = {
                "name": name, "model": str(model), "images": str(images), "batch": options.batch, "threads": options.threads,
                "device": options.device, "workers": workers, "backend": backend,
            }
            tried = run(peer_command({**setting, "limit": few}))["images_per_second"]
            print(f"  {name}, {workers} workers, {backend}: {tried:.1f} images/s on {few} images", file=sys.stderr)
            if tried > best:
                best, command = tried, peer_command(setting)
    return command


def peer_command(setting):
    return [sys.executable, __file__, "--one", json.dumps(setting)]


def run(command, watch=False):
    """Runs one contender: its line of JSON with the whole time, and where it is watched with how busy the GPU was."""
    environment = os.environ | {"ORT_DYLIB_PATH": str(library())}
    query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=200"]
    watcher = subprocess.Popen(query, stdout=subprocess.PIPE, text=True) if watch else None
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    if process.wait() != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with status {process.returncode}")
    result = {**json.loads(output.strip().splitlines()[-1]), "whole_seconds": time.perf_counter() - started}
    if watcher:
        watcher.terminate()
        samples = [int(sample) for sample in watcher.communicate()[0].split()]
        working = [index for index, sample in enumerate(samples) if sample > 0]
        # From the first to the last sign of work: what comes before is the opening of the model.
        result["gpu_busy_percent"] = round(statistics.mean(samples[working[0] : working[-1] + 1])) if working else 0
    return result


def library():
    """The library file of the onnxruntime package, which decant, the ceiling and the Python peer all load."""
    import onnxruntime

    folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
    found = sorted(folder.glob("libonnxruntime.so*")) or sorted(folder.glob("libonnxruntime*.dylib"))
    return found[0]


# One peer, in its own process.


def peer(setting):
    import numpy
    import torch

    torch.set_num_threads(setting["threads"])
    forward = (onnx_forward if setting["name"] == "onnxruntime" else torch_forward)(setting)
    loader = data_loader(setting)
    warm = torch.zeros(setting["batch"], 3, *size_of(setting["model"]))
    forward(warm)
    before, started = cpu_seconds(), time.perf_counter()
    logits = [forward(pixels) for pixels in loader]
    logits = numpy.concatenate(logits)
    with tempfile.TemporaryDirectory() as folder:
        numpy.save(pathlib.Path(folder) / "logits.npy", logits)
        seconds = time.perf_counter() - started
    assert numpy.isfinite(logits).all()
    return {
        "images_per_second": len(logits) / seconds,
        "cpu_ms_per_image": 1000 * (cpu_seconds() - before) / len(logits),
        "peak_mb": peak_mb(setting["workers"]),
        "setting": f"{setting['workers']} workers, {setting['backend']} backend",
    }


def cpu_seconds():
    """Of this process and its workers that have ended, which those of a DataLoader have when the loop over it has."""
    import resource

    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb(workers):
    """The peak of this process, and for each worker that of the largest; a shared page counts in each."""
    import resource

    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    own, largest = (resource.getrusage(who).ru_maxrss / unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own + workers * largest


def size_of(model):
    size = json.loads((pathlib.Path(model) / "preprocessor_config.json").read_text())["size"]
    return size["height"], size["width"]


def data_loader(setting):
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(setting["model"], backend=setting["backend"])
    files = files_in(setting["images"])[: setting.get("limit")]

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            image = Image.open(files[index]).convert("RGB")
            return processor(image, return_tensors="pt")["pixel_values"][0]

    return torch.utils.data.DataLoader(
        Images(), batch_size=setting["batch"], num_workers=setting["workers"], pin_memory=setting["device"] == "cuda"
    )


def torch_forward(setting):
    import torch
    from transformers import AutoConfig, ViTForImageClassification

    device, name = setting["device"], setting["name"]
    config = AutoConfig.from_pretrained(setting["model"])
    attention = "eager" if "eager" in name else "sdpa"
    model = ViTForImageClassification._from_config(config, attn_implementation=attention, dtype=torch.float32)
    model = model.eval().to(device)
    torch.set_float32_matmul_precision("highest")
    call = torch.compile(model) if "compile" in name else model
    half = torch.autocast(device, torch.bfloat16, enabled="bf16" in name)

    def forward(pixels):
        with torch.inference_mode(), half:
            return call(pixels.to(device, non_blocking=True)).logits.float().cpu().numpy()

    return forward


def onnx_forward(setting):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting["threads"]
    providers = ["CPUExecutionProvider"]
    if setting["device"] == "cuda":
        onnxruntime.preload_dlls()
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    session = onnxruntime.InferenceSession(pathlib.Path(setting["model"]) / "model.onnx", options, providers=providers)
    assert setting["device"] != "cuda" or "CUDAExecutionProvider" in session.get_providers(), "ONNX Runtime has no CUDA here"
    taken = session.get_inputs()[0]

    def forward(pixels):
        pixels = pixels.numpy()
        return session.run(None, {taken.name: pixels.astype("float16") if "float16" in taken.type else pixels})[0].astype("float32")

    return forward


if __name__ == "__main__":
    main()
