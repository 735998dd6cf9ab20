"""`python -m tools.bench [part …] [--rounds N] [--without NAME] [--json FILE]`: measure, and print the tables.

Parts: unary, streams, open, coldstart, growth, memory; all of them if none is named. All on loopback, all bounded.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

from tools.bench import coldstart, deployment, goals, growth, litellm, machine, memory, streams, unary
from tools.bench.candidates import Bench, Subject
from tools.bench.figures import Report

PARTS: Final = ("unary", "streams", "open", "coldstart", "growth", "memory")
CANDIDATES: Final = ("gateway", "floor", "litellm")
DESCRIPTORS: Final = 8192
MINUTES: Final = 30
"""An end to everything, on a machine too busy to measure on."""
GROWING: Final = (Subject("gateway", "gemini"), Subject("gateway", "claude"), Subject("floor", "gemini"))


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=" ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", action="append", default=[], choices=CANDIDATES[1:], help="leave a candidate out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there too")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    report = Report()
    candidates = [name for name in CANDIDATES if name not in options.without and _is_there(name, report)]
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(MINUTES * 60)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(options.parts or PARTS, candidates, Path(folder), report, options.rounds)
    finally:
        report.note(f"{options.rounds} rounds")
        print(report.text())
        print(f"\n{goals.text(report)}")
        if options.json:
            options.json.write_text(json.dumps(report.document(), indent=1))


def run(parts: Sequence[str], candidates: Sequence[str], folder: Path, report: Report, rounds: int) -> None:
    """Set the machine up and measure the chosen parts."""
    cores = machine.choose_cores()
    if not cores.apart:
        report.note("only one core: the harness disturbs what it measures")
    os.sched_setaffinity(0, {cores.load})
    streams.allow_descriptors(DESCRIPTORS)
    bench = Bench(cores, folder)
    with bench.upstream():
        _measure_running(bench, parts, candidates, report, rounds)
        if "open" in parts:
            with _told("open", report):
                streams.measure_open(bench, ["direct", *candidates], report, max(1, rounds // 3))
        if {"coldstart", "memory"} & set(parts):
            _measure_deployment(bench, parts, candidates, report, rounds)


def _measure_running(bench: Bench, parts: Sequence[str], candidates: Sequence[str], report: Report, rounds: int) -> None:
    """Measure the parts that all candidates stand ready for, taking turns."""
    if not {"unary", "streams", "growth"} & set(parts):
        return
    with contextlib.ExitStack() as stack:
        direct, *others = [stack.enter_context(bench.start(name)) for name in ("direct", *candidates)]
        targets = [target for found in others for target in found]
        if "unary" in parts:
            with _told("unary", report):
                unary.measure(targets, direct, report, rounds)
        if "streams" in parts:
            with _told("streams", report):
                streams.measure(bench, targets, direct, report, rounds)
        if "growth" in parts:
            with _told("growth", report):
                growth.measure(bench, [target for target in targets if target.subject in GROWING], report)


def _measure_deployment(bench: Bench, parts: Sequence[str], candidates: Sequence[str], report: Report, rounds: int) -> None:
    """Measure what an unpacked archive and its environment are needed for."""
    try:
        place = deployment.deploy(bench.folder)
    except subprocess.CalledProcessError as error:
        report.note(f"COLD STARTS AND SIZES ARE NOT MEASURED, as packages cannot be installed here: {error.stderr.decode()[-500:]}")
        return
    if "coldstart" in parts:
        with _told("coldstart", report):
            coldstart.measure(bench, place, report, rounds, with_litellm="litellm" in candidates)
    if "memory" in parts:
        with _told("memory", report):
            memory.measure(bench, place, report, rounds)


def _is_there(name: str, report: Report) -> bool:
    """Say whether a candidate can be started; install it if it needs that."""
    if name == "litellm":
        try:
            litellm.install()
        except litellm.NotInstalledError as error:
            report.note(f"LITELLM IS NOT MEASURED, as it cannot be installed here: {error}")
            return False
    return True


@contextlib.contextmanager
def _told(part: str, report: Report) -> Generator[None]:
    """Say on the side what goes on, and in the end how long it took."""
    print(f"{part} …", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    report.note(f"{part}: {time.monotonic() - start:.0f} s")


def _give_up(signal_number: int, frame: object) -> None:
    del signal_number, frame
    raise TimeoutError(f"given up after {MINUTES} minutes; the tables hold what was measured until then")


if __name__ == "__main__":
    main()
