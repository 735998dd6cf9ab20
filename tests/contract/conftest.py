"""The whole thing as a client meets it: functions-framework on a loopback port, the simulated Vertex behind it."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

from chromagent.local import keys
from tests.support import processes
from tests.support.processes import Server


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def simulation(logs: Path) -> Iterator[Server]:
    with processes.simulated_vertex(logs / "vertex.log") as server:
        yield server


@pytest.fixture(scope="session")
def client_key() -> tuple[str, dict[str, object]]:
    return keys.issue("contract tests")


@pytest.fixture(scope="session")
def gateway(simulation: Server, client_key: tuple[str, dict[str, object]], logs: Path) -> Iterator[Server]:
    _, record = client_key
    backend = {"base_url": simulation.url, "auth": "none", "project": "test-project"}
    document = logs / "keys.json"
    document.write_text(json.dumps({"keys": [record]}))
    configuration = {
        "client_keys": f"file:{document}",
        "backends": {
            "vertex-gemini": {**backend, "model_mapping": {"fast": "gemini-3.8-flash"}},
            "vertex-anthropic": backend,
        },
    }
    with processes.function("chat_completions", configuration, logs / "gateway.log") as server:
        yield server


@pytest.fixture(scope="session")
def client(gateway: Server, client_key: tuple[str, dict[str, object]]) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=client_key[0], max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Server, client_key: tuple[str, dict[str, object]]) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=client_key[0], max_retries=0) as client:
        yield client
