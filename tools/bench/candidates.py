"""Who is measured, and how each is started: as it would be in earnest, with one worker, on the core under test."""

import contextlib
import hashlib
import json
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import httpx

from chromagent.codec import JsonObject
from chromagent.local import keys
from tests.support.processes import free_port
from tools.bench import canned, litellm, machine
from tools.bench.canned import Wire
from tools.bench.load import Answer, Check
from tools.bench.machine import READY_WITHIN, ROOT, Cores, Process
from tools.bench.upstream import Shape

FUNCTIONS: Final = Path(__file__).parent / "functions"
MODELS: Final[dict[Wire, str]] = {"gemini": "gemini-3.8-flash", "claude": "claude-sonnet-4-6"}
LITELLM: Final[dict[Wire, str]] = {"gemini": "vertex_ai/gemini-2.5-flash", "claude": "vertex_ai/claude-sonnet-4-5"}
"""The same work under names that the pinned LiteLLM knows."""
_RESOURCE: Final = "/v1/projects/p/locations/global/publishers/"
VENDOR_PATHS: Final[dict[Wire, tuple[str, str]]] = {
    "gemini": (
        f"{_RESOURCE}google/models/{MODELS['gemini']}:generateContent",
        f"{_RESOURCE}google/models/{MODELS['gemini']}:streamGenerateContent?alt=sse",
    ),
    "claude": (
        f"{_RESOURCE}anthropic/models/{MODELS['claude']}:rawPredict",
        f"{_RESOURCE}anthropic/models/{MODELS['claude']}:streamRawPredict",
    ),
}
"""Paths of whole answers and of streams."""


class Subject(NamedTuple):
    """A row of a table: who, and which wire format is behind it where that makes a difference."""

    who: str
    wire: Wire | Literal[""] = ""

    def __str__(self) -> str:
        return f"{self.who}, {self.wire}" if self.wire else self.who


@dataclass(frozen=True)
class Target:
    """A candidate together with the wire format that it speaks to the upstream."""

    who: str
    wire: Wire
    process: Process
    key: str
    translates: bool
    """Whether its answers are OpenAI's."""

    @property
    def subject(self) -> Subject:
        """Its row."""
        return Subject(self.who, self.wire)

    def request(self, body: JsonObject, *, stream: bool) -> bytes:
        """Write a whole HTTP request."""
        path = "/v1/chat/completions" if self.translates else VENDOR_PATHS[self.wire][stream]
        fields: JsonObject = {"model": MODELS[self.wire], **body} | ({"stream": True} if stream else {})
        content = json.dumps(fields).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.key}\r\ncontent-type: application/json\r\n"
            f"accept: application/json\r\nuser-agent: OpenAI/Python 3.54.0\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def check(self, shape: Shape | None = None) -> Check:
        """Say how an answer is told to be whole: a stream of that shape, or one document."""
        last = b"data: [DONE]\n\n" if self.translates else canned.LAST_WORDS[self.wire]
        words = 1 if shape is None else shape.events

        def is_whole(answer: Answer) -> bool:
            ends_well = shape is None or answer.body.endswith(last)
            return answer.status == 200 and ends_well and answer.body.count(canned.WORD) == words

        return is_whole


class Bench:
    """The machine set up for measuring: the fake upstream runs on the harness's core, servers start on the other."""

    def __init__(self, cores: Cores, folder: Path) -> None:
        self.cores = cores
        self.folder = folder
        self.key, record = keys.issue("bench")
        self.key_document = folder / "keys.json"
        self.key_document.write_text(json.dumps({"keys": [record]}))
        self.upstream_port = free_port()
        self._upstream: Process | None = None
        self.upstream_url = f"http://127.0.0.1:{self.upstream_port}"

    @contextlib.contextmanager
    def upstream(self) -> Generator[None]:
        """Run the fake upstream."""
        command = [str(machine.PYTHON), "-m", "tools.bench.upstream", str(self.upstream_port)]
        with machine.process(command, self.cores.load, self.upstream_port, ROOT, self.folder / "upstream.log", {}) as found:
            wait_until_ready(found, "/shape?events=1&burst=1&pause=0&stamped=0")
            self._upstream = found
            yield

    def shape(self, shape: Shape) -> None:
        """Tell the upstream how its streams look from now on."""
        httpx.get(f"{self.upstream_url}/shape?{shape.query}", trust_env=False).raise_for_status()

    def configuration(self, **given: object) -> dict[str, str]:
        """Configure the gateway as a deployment does, by one document."""
        backend = {"auth": "none", "project": "p", "base_url": self.upstream_url}
        document = {
            "client_keys": f"file:{self.key_document}",
            "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
            "rate_limit": {"concurrent_per_key": 1000},
            **given,
        }
        return {"CHROMAGENT_CONFIG_JSON": json.dumps(document)}

    @contextlib.contextmanager
    def gateway(self) -> Generator[list[Target]]:
        """Run the gateway as it is deployed."""
        port = free_port()
        command = machine.function_command("functions/main.py", "chat_completions", port)
        with machine.process(command, self.cores.server, port, ROOT, self.folder / "gateway.log", self.configuration()) as found:
            wait_until_ready(found, "/health")
            yield [Target("gateway", wire, found, self.key, translates=True) for wire in MODELS]

    @contextlib.contextmanager
    def floor(self) -> Generator[list[Target]]:
        """Run the floor."""
        port = free_port()
        command = machine.function_command(str(FUNCTIONS / "floor" / "main.py"), "floor", port)
        environment = {
            "FLOOR_UPSTREAM": self.upstream_url,
            "FLOOR_KEY_SHA256": hashlib.sha256(self.key.encode()).hexdigest(),
            "PYTHONPATH": str(ROOT),
        }
        with machine.process(command, self.cores.server, port, ROOT, self.folder / "floor.log", environment) as found:
            wait_until_ready(found, "/", status=401)
            yield [Target("floor", wire, found, self.key, translates=False) for wire in MODELS]

    @contextlib.contextmanager
    def direct(self) -> Generator[list[Target]]:
        """Ask the upstream itself: what the harness sees when there is no server between. Its CPU is not looked at."""
        assert self._upstream is not None
        yield [Target("direct", wire, self._upstream, self.key, translates=False) for wire in MODELS]

    @contextlib.contextmanager
    def litellm(self) -> Generator[list[Target]]:
        """Run LiteLLM. Raises `litellm.NotInstalledError`."""
        port = free_port()
        configuration = litellm.configure(
            self.folder, self.upstream_url, self.key, {MODELS[wire]: own for wire, own in LITELLM.items()}
        )
        command = [str(litellm.install()), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
        environment = litellm.environment(self.folder, f"127.0.0.1:{self.upstream_port}")
        with machine.process(command, self.cores.server, port, self.folder, self.folder / "litellm.log", environment) as found:
            wait_until_ready(found, "/health/liveliness")
            yield [Target("litellm", wire, found, self.key, translates=True) for wire in LITELLM]

    def start(self, name: str) -> contextlib.AbstractContextManager[list[Target]]:
        """Run a candidate by its name."""
        starts = {"direct": self.direct, "gateway": self.gateway, "floor": self.floor, "litellm": self.litellm}
        return starts[name]()


def wait_until_ready(process: Process, path: str, status: int = 200) -> None:
    """Wait for an answer. Raises `RuntimeError` with the end of the log."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.handle.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{process.port}{path}", timeout=5, trust_env=False).status_code == status:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server is not ready: {process.log.read_text()[-2000:]}")
