"""The measuring itself: what counts as a whole answer, whose processor time is read, when growth is worse than linear."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.bench import canned, machine
from tools.bench.candidates import Subject, Target
from tools.bench.figures import Measure
from tools.bench.growth import Axis, Curve
from tools.bench.load import Answer, Outcome
from tools.bench.machine import Process
from tools.bench.upstream import Shape, read_shape

CHUNK = b'data: {"choices":[{"delta":{"content":"lorem"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def idle(tmp_path: Path):
    """A process that does nothing."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with machine.process(command, min(os.sched_getaffinity(0)), 0, tmp_path, tmp_path / "log", {}) as process:
        yield process


def target(process: Process) -> Target:
    return Target("gateway", "gemini", process, "key", translates=True)


def is_running(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() not in ("", "Z", "Zs")


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer(status, body, asked=0.0, first_byte=0.0, took=0.0, delays=[])


@pytest.mark.parametrize(
    ("body", "status", "whole"),
    [
        (CHUNK * 3 + DONE, 200, True),
        (CHUNK * 2 + DONE, 200, False),
        (CHUNK * 4 + DONE, 200, False),
        (CHUNK * 3, 200, False),
        (CHUNK * 3 + DONE, 500, False),
    ],
)
def test_a_stream_is_whole_with_every_event_its_end_and_a_200(idle: Process, body: bytes, status: int, whole: bool) -> None:
    assert target(idle).check(Shape(events=3))(answer(body, status)) is whole


def test_every_canned_event_holds_the_word_once_and_a_stamp_of_the_same_length() -> None:
    for wire in ("gemini", "claude"):
        assert canned.EVENT[wire].count(canned.WORD) == 1
        assert canned.UNARY[wire].count(canned.WORD) == 1
        assert len(canned.STAMPED[wire] % 12345.678) == len(canned.EVENT[wire])


def test_a_shape_comes_out_of_its_query_as_it_went_in() -> None:
    shape = Shape(events=7, burst=3, pause=0.25, stamped=True)
    assert read_shape(shape.query) == shape


def test_what_the_harness_spends_is_not_the_servers(idle: Process) -> None:
    time.sleep(1)  # its own start
    before = idle.cpu_seconds()
    own = time.process_time()
    while time.process_time() < own + 0.3:
        pass
    assert idle.cpu_seconds() - before < 0.03


def test_what_a_servers_children_spend_is_the_servers(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\ntime.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with machine.process(
        [sys.executable, "-c", parent], min(os.sched_getaffinity(0)), 0, tmp_path, tmp_path / "log", {}
    ) as process:
        deadline = time.monotonic() + 30
        while process.cpu_seconds() < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.cpu_seconds() >= 0.3
        assert len(machine.tree(process.pid)) == 2


def test_nothing_is_left_when_a_measured_process_ends(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with machine.process([sys.executable, "-c", child], min(os.sched_getaffinity(0)), 0, tmp_path, tmp_path / "log", {}) as process:
        deadline = time.monotonic() + 30
        while len(pids := machine.tree(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if is_running(pid)] == []


@pytest.mark.parametrize(
    ("costs", "verdict"),
    [
        ([100.0, 190.0, 1090.0, 10_090.0], "1.00"),
        ([100.0, 101.0, 110.0, 115.0], "flat"),
        ([100.0, 181.0, 9901.0, 998_101.0], "2.00 WORSE THAN LINEAR"),
    ],
)
def test_growth_is_told_by_the_exponent_above_the_fixed_cost(costs: list[float], verdict: str) -> None:
    curve = Curve(Axis("prompt", "kB", (1, 10, 100, 1000)), {Subject("gateway", "claude"): costs})
    assert curve.text().splitlines()[2].split("|")[-2].strip() == verdict


def test_a_ratio_is_taken_within_each_round() -> None:
    gateway, floor = Subject("gateway", "gemini"), Subject("floor", "gemini")
    measure = Measure("cost", "µs", rows={gateway: [20.0, 60.0, 22.0], floor: [10.0, 30.0, 10.0]})
    assert measure.ratio(gateway, floor) == 2.0


def test_streams_that_end_before_others_begin_are_not_open_together() -> None:
    outcome = Outcome(open_between=[(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (5.0, 6.0)])
    assert outcome.most_open() == 2
