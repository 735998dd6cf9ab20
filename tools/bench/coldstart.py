"""Cold starts: from the start of a process to its first 200, beside the least that the platform can be given.

Everything runs from a deployment's folders, and no byte code is written: each start finds what the first one found.
"""

import contextlib
import json
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.processes import free_port
from tools.bench import litellm, machine, secret_store, work
from tools.bench.candidates import FUNCTIONS, LITELLM, MODELS, Bench, Subject
from tools.bench.deployment import Deployment
from tools.bench.figures import Report
from tools.bench.machine import READY_WITHIN, ROOT, Process

WALL: Final = "cold start: process start to first 200"
CPU: Final = "cold start: CPU until the first 200"
RESIDENT: Final = "cold start: RSS after the first 200, both processes"
HEALTH: Final = "gateway, /health"
CHAT_FILE: Final = "gateway, chat, keys in a file, ADC"
CHAT_STORE: Final = "gateway, chat, keys in Secret Manager, ADC"
LOOK_EVERY: Final = 0.002
"""Seconds between two tries to connect."""
LITELLM_STARTS: Final = 2


@dataclass(frozen=True)
class Start:
    """One way to start, and the request that counts as served."""

    name: str
    folder: Path
    command: Sequence[str]
    request: bytes
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def measure(bench: Bench, place: Deployment, report: Report, rounds: int, *, with_litellm: bool) -> None:
    """Start everything once in every round."""
    wall = report.measure(WALL, "ms", "trivial")
    cpu = report.measure(CPU, "ms", "trivial")
    memory = report.measure(RESIDENT, "MB", "trivial")
    shared = report.measure("cold start: the same with shared pages counted once (PSS)", "MB", "trivial")
    with _secret_store(bench) as secrets:
        starts = _starts(bench, place, secrets)
        starts += [_litellm(bench)] if with_litellm else []
        for number in range(rounds + 1):
            for start in starts:
                if start.name.startswith("litellm") and not 0 < number <= LITELLM_STARTS:
                    continue
                with _started(bench, start) as (process, took, spent):
                    if number == 0:
                        continue  # the first one reads files from the disk
                    subject = Subject(start.name)
                    wall.add(subject, took * 1e3)
                    cpu.add(subject, spent * 1e3)
                    memory.add(subject, process.resident_bytes() / 1e6)
                    shared.add(subject, process.proportional_bytes() / 1e6)


def _starts(bench: Bench, place: Deployment, secrets: Mapping[str, str]) -> list[Start]:
    """List the ways. The gateway's identity is the metadata server's, as it is on the platform; only its address is ours."""
    metadata = f"127.0.0.1:{bench.upstream_port}"
    identity = {"HOME": str(bench.folder), "GCE_METADATA_HOST": metadata, "GCE_METADATA_IP": metadata}
    backend = {"auth": "adc", "base_url": bench.upstream_url}
    backends = {"vertex-gemini": backend, "vertex-anthropic": backend}
    from_file = bench.configuration(backends=backends) | identity
    from_store = bench.configuration(backends=backends, client_keys=secret_store.REFERENCE) | identity | dict(secrets)
    health, chat = _get("/health"), _chat(bench.key)
    gateway = [str(place.command), "--source", "main.py", "--target", "chat_completions"]
    trivial = [str(place.command), "--source", str(FUNCTIONS / "trivial" / "main.py"), "--target", "trivial"]
    return [
        Start("trivial", place.app, trivial, _get("/")),
        Start(HEALTH, place.compiled, gateway, health, from_file),
        Start(f"{HEALTH}, archive without byte code", place.app, gateway, health, from_file),
        Start(CHAT_FILE, place.compiled, gateway, chat, from_file),
        Start(CHAT_STORE, place.compiled, gateway, chat, from_store),
    ]


def _litellm(bench: Bench) -> Start:
    models = {MODELS[wire]: own for wire, own in LITELLM.items()}
    configuration = litellm.configure(bench.folder, bench.upstream_url, bench.key, models)
    environment = litellm.environment(bench.folder, f"127.0.0.1:{bench.upstream_port}")
    command = [str(litellm.install()), "--config", str(configuration), "--host", "127.0.0.1"]
    return Start("litellm, chat, key in its configuration, ADC", bench.folder, command, _chat(bench.key), environment)


@contextlib.contextmanager
def _secret_store(bench: Bench) -> Generator[Mapping[str, str]]:
    """Run the fake Secret Manager; give what leads a process to it."""
    port = free_port()
    command = [str(machine.PYTHON), "-m", "tools.bench.secret_store", str(port), str(bench.folder), str(bench.key_document)]
    with machine.process(command, bench.cores.load, port, ROOT, bench.folder / "secret_store.log", {}) as store:
        while store.handle.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield secret_store.environment(bench.folder, port)


@contextlib.contextmanager
def _started(bench: Bench, start: Start) -> Generator[tuple[Process, float, float]]:
    """Start once; give the process, the seconds to its first 200 and the processor seconds it had used then."""
    port = free_port()
    command = [*start.command, "--port", str(port)]
    environment = {"PYTHONDONTWRITEBYTECODE": "1", **start.environment}
    begin = time.monotonic()
    with machine.process(command, bench.cores.server, port, start.folder, bench.folder / "start.log", environment) as process:
        while (status := _ask(port, start.request)) != 200:
            if process.handle.poll() is not None or time.monotonic() > begin + READY_WITHIN:
                raise RuntimeError(f"{start.name}: {status}, {process.log.read_text()[-2000:]}")
            time.sleep(LOOK_EVERY)
        yield process, time.monotonic() - begin, process.cpu_seconds()


def _ask(port: int, request: bytes) -> int:
    """Ask once; return the status, 0 if nobody listens yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), READY_WITHIN) as connection:
            connection.sendall(request)
            return int(connection.recv(65536)[9:12] or b"0")
    except OSError:
        return 0


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()


def _chat(key: str) -> bytes:
    content = json.dumps({"model": MODELS["gemini"], **work.small()}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content
