"""`python -m tools.bench [part …] [--rounds N] [--json FILE]`: measure, and print the tables. All on loopback, all bounded.

Parts: unary, streams, open, coldstart, growth, memory; all of them if none is named.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

from tools.bench import machine, streams, unary
from tools.bench.candidates import Bench
from tools.bench.figures import Report

PARTS = ("unary", "streams", "open")
CANDIDATES = ("gateway", "floor")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=" ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there too")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    report = Report()
    streams.allow_descriptors(8192)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run(options.parts or [*PARTS], Path(folder), report, options.rounds)
    report.note(f"{time.monotonic() - start:.0f} s for all of this; {options.rounds} rounds")
    print(report.text())
    if options.json:
        options.json.write_text(json.dumps(report.document(), indent=1))


def run(parts: list[str], folder: Path, report: Report, rounds: int) -> None:
    """Set the machine up and measure the chosen parts."""
    cores = machine.choose_cores()
    if not cores.apart:
        report.note("only one core: the harness disturbs what it measures")
    os.sched_setaffinity(0, {cores.load})
    bench = Bench(cores, folder)
    with bench.upstream():
        with contextlib.ExitStack() as stack:
            direct, *others = [stack.enter_context(bench.start(name)) for name in ("direct", *CANDIDATES)]
            targets = [target for found in others for target in found]
            if "unary" in parts:
                unary.measure(targets, direct, report, rounds)
            if "streams" in parts:
                streams.measure(bench, targets, direct, report, rounds)
        if "open" in parts:
            streams.measure_open(bench, ["direct", *CANDIDATES], report, max(1, rounds // 4))


if __name__ == "__main__":
    main()
