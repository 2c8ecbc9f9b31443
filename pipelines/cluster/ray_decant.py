#!/usr/bin/env python3
"""Both stages of a decant pipeline as tasks of a Ray cluster.

    pip install --require-hashes -r pipelines/cluster/requirements.txt
    python pipelines/cluster/ray_decant.py -p FILE [--address HOST:PORT] [--gpus 1] [decant's options, such as --set KEY=VALUE]

Run it in a folder that every node shares, with decant on every node. It asks `decant plan` for the units of work, gives
each that is not done to a task of its own, then has decant collect the sweep. A unit writes all or nothing and may run
twice, so Ray may retry it wherever it likes; stopped or killed, the same command goes on. Exit codes are decant's.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import ray
from ray.remote_function import RemoteFunction

TAIL_LINES = 12
"""Lines shown of what a failed unit wrote to standard error."""
IN_FLIGHT = 1000
"""Tasks that Ray knows of at a time, which is what an autoscaler sees waiting."""
SAVING_SECONDS = 90
"""How long a stop waits for the units to save what they have."""
FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit codes of decant."""
UNITS = ["--units", "json", "--no-measure"]
"""What has decant plan list the units of work."""
PR_SET_PDEATHSIG = 1
"""Linux' prctl: the signal that a process gets when its parent dies."""


class Killed(Exception):
    """decant ended by a signal that was not sent from here, such as for memory or with its node. Worth another try."""


class Stopped(Exception):
    """The user stopped it with Ctrl-C or SIGTERM."""


class Stop:
    """Looks out for Ctrl-C and SIGTERM. A second one ends this program at once."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, self.ask)
        signal.signal(signal.SIGTERM, self.ask)

    def ask(self, number: int, _frame: object) -> None:
        # Raising here would do so in the middle of Ray's own code.
        self.asked = True
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Setting:
    """What every unit needs to run on any node."""

    decant: str
    folder: Path
    pipeline: Path
    mark: Path
    """A file beside the caches for as long as this program runs: who sees it shares the folder."""
    environment: dict[str, str]


@dataclass(frozen=True)
class Unit:
    """One decant command."""

    name: str
    command: list[str]


@dataclass(frozen=True)
class Outcome:
    """What became of a unit."""

    code: int
    host: str = "the cluster"
    seconds: float = 0.0
    tail: list[str] = field(default_factory=list)


def do_unit(setting: Setting, unit: Unit, threads: int) -> Outcome:
    """Runs one unit on the node that Ray chose; when the task is cancelled, decant saves its state."""
    host = socket.gethostname()
    for path in (setting.pipeline, setting.mark):
        if not path.exists():
            return Outcome(USAGE, host, tail=[f"{host} does not see {path}; it must lie in a folder that every node shares"])
    if shutil.which(setting.decant) is None:
        return Outcome(USAGE, host, tail=[f"there is no {setting.decant} on the PATH of {host}; name the binary with --decant"])
    libc = ctypes.CDLL(None)
    start = time.monotonic()
    process = subprocess.Popen(
        [setting.decant, *unit.command],
        cwd=setting.folder,
        env=os.environ | {"RAYON_NUM_THREADS": str(threads)} | setting.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Ctrl-C at a terminal must not reach decant besides the SIGTERM below: a second signal stops it at once.
        start_new_session=True,
        # A worker that dies takes its decant along, which saves its state.
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM) if sys.platform == "linux" else None,
    )
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    reader = threading.Thread(target=lambda: tail.extend(line.rstrip() for line in process.stderr))
    reader.start()
    try:
        # Ray cancels a task by a KeyboardInterrupt, which does not end a wait inside the kernel.
        while (code := process.poll()) is None:
            time.sleep(0.05)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    reader.join()
    if code < 0 or code == INTERRUPTED:
        raise Killed("\n".join([f"decant was ended on {host} by signal {-code if code < 0 else 'TERM or INT'}", *tail]))
    return Outcome(code, host, time.monotonic() - start, list(tail))


def run_units(what: str, units: list[Unit], setting: Setting, task: RemoteFunction, threads: int, stop: Stop) -> int:
    """Runs the units as tasks: 0, or the exit code of the first that failed."""
    waiting, running = deque(units), {}
    done, codes, start = 0, [], time.monotonic()
    while waiting or running:
        if stop.asked:
            complain("interrupted: saving what is done (once more to stop at once)")
            cancel(list(running))
            raise Stopped
        while waiting and len(running) < IN_FLIGHT:
            unit = waiting.popleft()
            running[task.options(name=f"{what} {unit.name}").remote(setting, unit, threads)] = unit
        for reference in ray.wait(list(running), timeout=1.0)[0]:
            unit, outcome = running.pop(reference), outcome_of(reference)
            if outcome.code == 0:
                done += 1
                left = (time.monotonic() - start) / done * (len(waiting) + len(running))
                place = f"{outcome.seconds:.1f} s on {outcome.host}"
                print(f"{what}  {done}/{len(units)}  {unit.name}  {place}, about {left:.0f} s left", flush=True)
                continue
            codes.append(outcome.code)
            complain(f"{what}  {unit.name} failed on {outcome.host} with exit code {outcome.code}:", *outcome.tail)
            if outcome.code == USAGE:
                # What is wrong with the input is wrong for every unit.
                cancel(list(running))
                return USAGE
    if codes:
        complain(f"{what}  {len(codes)} of {len(units)} failed; the others are kept, the same command tries these again")
    return codes[0] if codes else 0


def outcome_of(reference: ray.ObjectRef) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Outcome(FAILED, tail=str(error.cause).splitlines())
    except ray.exceptions.RayError as error:
        return Outcome(FAILED, tail=str(error).strip().splitlines()[:TAIL_LINES])


def cancel(references: list[ray.ObjectRef]) -> None:
    """Cancels tasks and waits until their units have saved what they have."""
    for reference in references:
        ray.cancel(reference, force=False)
    if references:
        ray.wait(references, num_returns=len(references), timeout=SAVING_SECONDS)


def complain(*lines: str) -> None:
    print("\n  ".join(lines), file=sys.stderr, flush=True)


def decant(args: argparse.Namespace, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Runs a short decant command on this machine; what it writes is the user's to read."""
    return subprocess.run([args.decant, *command], cwd=args.folder, text=True, check=False, **options)


def make_plan(args: argparse.Namespace) -> dict:
    parts = [] if args.parts is None else ["--parts", str(args.parts)]
    planned = decant(args, ["plan", "-p", args.pipeline, *args.more, *parts, *UNITS], stdout=subprocess.PIPE)
    if planned.returncode:
        sys.exit(planned.returncode)
    return json.loads(planned.stdout)


def to_do(units: list[dict]) -> list[Unit]:
    return [Unit(unit["id"], unit["command"]) for unit in units if not unit["done"]]


def in_parts(units: list[Unit], parts: int | None) -> list[Unit]:
    """Runs of a sweep as so many tasks, each of which opens the dataset once for all of its own."""
    if parts is None or len(units) <= parts:
        return units
    command = units[0].command
    at = command.index("--run")
    return [Unit(f"part {i}/{parts}", [*command[:at], "--part", f"{i}/{parts}", *command[at + 2 :]]) for i in range(parts)]


def both_stages(args: argparse.Namespace, setting: Setting, plan: dict, stop: Stop) -> int:
    retries = {"max_retries": args.retries, "retry_exceptions": [Killed]}
    teacher = ray.remote(num_cpus=args.cpus, num_gpus=args.gpus, **retries)(do_unit)
    student = ray.remote(num_cpus=args.sweep_cpus, num_gpus=args.sweep_gpus, **retries)(do_unit)

    if not plan["cache"]["complete"]:
        units = to_do(plan["stage_one"])
        code = run_units("stage one", units, setting, teacher, max(1, int(args.cpus)), stop)
        code = code or decant(args, plan["close"]).returncode
        if code:
            return code
        # Which runs are done is known once the cache is.
        plan = make_plan(args)
    else:
        print(f"stage one  done before: {plan['cache']['dir']}", flush=True)

    while sweep := plan["sweep"]:
        units = in_parts(to_do(sweep["runs"]), args.sweep_parts)
        code = run_units("sweep", units, setting, student, max(1, int(args.sweep_cpus)), stop)
        if code != USAGE and sweep["rungs_left"]:
            # Who goes on to the next rung of successive halving is known now.
            plan = make_plan(args)
            if plan["sweep"]["rungs_left"] < sweep["rungs_left"]:
                continue
        return code if code == USAGE else decant(args, sweep["collect"]).returncode or code
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Both stages of a decant pipeline as tasks of a Ray cluster.",
        epilog="Every other option, such as --set KEY=VALUE, is passed on to decant plan, which repeats it in each unit.",
    )
    add = parser.add_argument
    add("-p", "--pipeline", required=True, metavar="FILE", help="the pipeline file, in or below --folder")
    add("--address", help="of a running cluster [default: RAY_ADDRESS, the cluster of this machine, or a new one]")
    add("--folder", type=Path, default=".", metavar="DIR", help="the folder to work in, shared by every node [default: this one]")
    add("--decant", default=os.environ.get("DECANT", "decant"), help="the binary on every node [default: DECANT, or decant]")
    add("--cpus", type=float, default=2, help="cores of a task of stage one [default: 2]")
    add("--gpus", type=float, default=0, help="GPUs of a task of stage one; 0.5 puts two on one [default: 0]")
    add("--parts", type=int, metavar="N", help="stage one in N tasks, not one a shard: each reads the whole dataset once")
    add("--sweep-cpus", type=float, help="cores of a task of the sweep [default: as --cpus]")
    add("--sweep-gpus", type=float, help="GPUs of a task of the sweep [default: as --gpus]")
    add("--sweep-parts", type=int, metavar="N", help="the sweep in N tasks, not one a run")
    add("--retries", type=int, default=3, help="of a unit whose process or node died [default: 3]")
    args, args.more = parser.parse_known_args()
    args.folder = args.folder.resolve()
    args.sweep_cpus = args.cpus if args.sweep_cpus is None else args.sweep_cpus
    args.sweep_gpus = args.gpus if args.sweep_gpus is None else args.sweep_gpus
    return args


def main() -> int:
    args = arguments()
    if shutil.which(args.decant) is None:
        complain(f"ray_decant: there is no {args.decant} on PATH; name the binary with --decant")
        return USAGE
    plan = make_plan(args)
    mark = args.folder / Path(plan["cache"]["dir"]).parent / f".ray-{uuid.uuid4().hex[:12]}"
    environment = {name: value for name, value in os.environ.items() if name in ("ORT_DYLIB_PATH", "RAYON_NUM_THREADS")}
    setting = Setting(args.decant, args.folder, args.folder / args.pipeline, mark, environment)

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address=args.address, log_to_driver=False, logging_level="warning")
    stop = Stop()
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        return both_stages(args, setting, plan, stop)
    except Stopped:
        complain("ray_decant: interrupted; everything that is done is kept, the same command goes on from there")
        return INTERRUPTED
    finally:
        mark.unlink(missing_ok=True)
        ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
