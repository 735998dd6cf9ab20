"""What a cold start may load and carry, as counts of modules and bytes. Whoever needs more raises a figure here, and says why."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chromagent import codec
from tests.support.processes import ROOT, clean_environment

MODULES = """
import sys
sys.modules |= {"rich": None, "pygments": None}  # developers' tools bring them; a deployment has none
import functions_framework.aio
before = set(sys.modules)
import main
loaded = set(sys.modules) - before
print(" ".join(name for name in sorted(loaded) if name.partition(".")[0] not in sys.stdlib_module_names))
"""


REQUESTS = """
import asyncio, gc, json, sys
from chromagent import config
from chromagent.app import create_app

backends = {name: {"auth": "none", "project": "p", "base_url": "http://127.0.0.1:1"} for name in config.PROVIDERS}
app = create_app(config.read({"allow_anonymous": True, "max_retries": 0, "backends": backends, "log": {"level": "error"}}))
gc.freeze()  # as the entry point of the functions does

async def ask(method, path, body=b""):
    inbox, sent = asyncio.Queue(), []
    inbox.put_nowait({"type": "http.request", "body": body, "more_body": False})
    async def send(message):
        sent.append(message)
    await app({"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}, inbox.get, send)
    return sent[0]["status"]

async def main():
    chat = json.dumps({"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "hi"}]}).encode()
    for requests in ([("GET", "/health"), ("OPTIONS", "/v1/models"), ("GET", "/nowhere"), ("PUT", "/health")],
                     [("POST", "/v1/chat/completions", chat)]):
        statuses = [await ask(*request) for request in requests]
        collector = {"collects": gc.isenabled(), "frozen": gc.get_freeze_count()}
        print(json.dumps({"statuses": statuses, "modules": list(sys.modules), **collector}))

asyncio.run(main())
"""


def count(package: str, modules: list[str]) -> int:
    return sum(name.partition(".")[0] == package for name in modules)


@pytest.fixture(scope="module")
def modules() -> list[str]:
    """Modules that the entry point loads beyond the framework's own, without the standard library's."""
    environment = clean_environment() | {
        "PYTHONPATH": os.pathsep.join(["functions", str(ROOT)]),
        "CHROMAGENT_CONFIG_JSON": codec.encode_text({}),
    }
    command = [sys.executable, "-c", MODULES]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return told.stdout.split()


@pytest.fixture(scope="module")
def served() -> list[dict[str, Any]]:
    """What an app has loaded after some requests for no model, and then after a chat with Gemini that finds no upstream."""
    told = subprocess.run(
        [sys.executable, "-c", REQUESTS], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("budget") / "bundle.zip"
    subprocess.run([sys.executable, ROOT / "tools" / "bundle.py", path], check=True, capture_output=True)
    return path


def test_the_entry_point_loads_few_modules(modules: list[str]) -> None:
    assert len(modules) <= 60


def test_most_of_what_it_loads_is_its_own(modules: list[str]) -> None:
    assert count("chromagent", modules) <= 45
    assert len(modules) - count("chromagent", modules) <= 14


@pytest.mark.parametrize(
    "package",
    ["pydantic", "httpx", "google", "grpc", "redis", "limits", "requests", "aiohttp", "anyio", "cryptography", "uvicorn", "openai"],
)
def test_what_only_some_requests_need_is_loaded_with_its_first_use(package: str, modules: list[str]) -> None:
    assert count(package, modules) == 0


def test_requests_for_no_model_load_nothing_of_what_serves_one(served: list[dict[str, Any]]) -> None:
    assert served[0]["statuses"] == [200, 204, 404, 405]
    assert {"chromagent.serving", "chromagent.endpoints.chat_completions", "chromagent.upstream.client"} & {
        *served[0]["modules"]
    } == set()


def test_a_chat_loads_the_wire_format_of_its_own_model_only(served: list[dict[str, Any]]) -> None:
    formats = {f"chromagent.translators.{vendor}.translator" for vendor in ("gemini", "anthropic")}
    assert served[1]["statuses"] == [502]
    assert formats & {*served[1]["modules"]} == {"chromagent.translators.gemini.translator"}


def test_what_a_chat_loads_leaves_garbage_collection_as_it_was(served: list[dict[str, Any]]) -> None:
    assert [stage["collects"] for stage in served] == [True, True]


def test_what_a_chat_loads_is_not_looked_at_by_later_collections(served: list[dict[str, Any]]) -> None:
    assert served[1]["frozen"] > served[0]["frozen"] + 1000


def test_the_archive_is_small(archive: Path) -> None:
    assert archive.stat().st_size <= 335_000


def test_the_archive_asks_for_few_packages(archive: Path) -> None:
    with zipfile.ZipFile(archive) as bundle:
        requirements = bundle.read("requirements.txt").decode()
    assert len(set(re.findall(r"^([\w.-]+)==", requirements, re.MULTILINE))) <= 55
