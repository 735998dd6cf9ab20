"""What the pages tell people to type. Every command is run here, or named below with what else runs it or what it needs."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.processes import ROOT, Server

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]
LOCAL = "http://127.0.0.1:8080/v1"

RUN = {
    f"curl -N {LOCAL}/chat/completions": "data: [DONE]",
    'curl -N "$BASE_URL/chat/completions"': "data: [DONE]",
    '.venv/bin/chromagent keys list --store "$STORE"': "laptop",
    '.venv/bin/chromagent keys rotate laptop --store "$STORE"': "sk-cg-",
    '.venv/bin/chromagent keys disable "$OLD_KEY_ID" --store "$STORE"': "within five minutes",
    '.venv/bin/chromagent keys disable laptop --store "$STORE"': "within five minutes",
    '.venv/bin/chromagent keys new --name laptop --store "$STORE"': "sk-cg-",
}
"""By how the command begins: what it must say."""

SERVERS = {"make run", "functions-framework --source functions/main.py"}
"""Commands that go on: they must answer."""

ELSEWHERE = {
    "make bundle": "tests/house/test_archive.py",
    "make test": ".ci/run",
}
"""Commands that other checks run: by how they begin, where."""

CLOUD = (
    "terraform -chdir=terraform ",
    "terraform -chdir=terraform/bootstrap ",
    "gcloud ",
    "export BASE_URL=$(terraform ",
    "export CHROMAGENT_KEY=",
    "STORE=$(terraform ",
    "git pull",
)
"""Commands that need a project of Google's, or change the checkout: by how they begin."""


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(body) for _, body in found]


def commands(page: str) -> list[str]:
    lines = "\n".join(blocks(page, "(?:sh|bash|shell|console)")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def beginning_of(command: str, known: object) -> str | None:
    return next((start for start in known if command.startswith(start)), None)  # pyright: ignore


ALL = [(page, command) for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module")
def surroundings(
    gateway: Server, client_key: tuple[str, dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What the pages take for granted: a running gateway, a key of it, and a store with a key called laptop."""
    store = f"file:{tmp_path_factory.mktemp('store') / 'keys.json'}"
    new = [Path(sys.executable).with_name("chromagent"), "keys", "new", "--name", "laptop", "--store", store]
    subprocess.run(new, check=True, capture_output=True, env=processes.clean_environment())
    listed = subprocess.run([*new[:2], "list", "--store", store], check=True, capture_output=True, text=True)
    return processes.clean_environment() | {
        "BASE_URL": f"{gateway.url}/v1",
        "KEY": client_key[0],
        "CHROMAGENT_KEY": client_key[0],
        "STORE": store,
        "OLD_KEY_ID": listed.stdout.split()[0],
    }


def test_every_command_is_classified() -> None:
    known = [*RUN, *SERVERS, *ELSEWHERE, *CLOUD]
    assert [(page, command) for page, command in ALL if beginning_of(command, known) is None] == []


def test_no_class_outlives_its_command() -> None:
    written = [command for _, command in ALL]
    unused = [start for start in [*RUN, *SERVERS, *ELSEWHERE, *CLOUD] if not any(one.startswith(start) for one in written)]
    assert unused == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_need_no_cloud_work_in_the_pages_order(page: str, surroundings: dict[str, str]) -> None:
    for command in commands(page):
        start = beginning_of(command, RUN)
        if start is not None:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command.replace(LOCAL, surroundings["BASE_URL"])],
                cwd=ROOT,
                env=surroundings,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (done.returncode, RUN[start] in done.stdout + done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_code_for_the_sdk_works(page: str, surroundings: dict[str, str]) -> None:
    for code in blocks(page, "python"):
        given = f"KEY = {surroundings['KEY']!r}\n{code}".replace(LOCAL, surroundings["BASE_URL"])
        done = subprocess.run(
            [sys.executable, "-c", given], env=surroundings, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


@pytest.mark.parametrize("command", sorted({command for _, command in ALL if beginning_of(command, SERVERS)}))
def test_commands_that_serve_answer(command: str, tmp_path: Path) -> None:
    port = processes.free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The environment is there already: `make` must not renew it under the other tests.
    surroundings = {"PATH": path, "PORT": str(port), "MAKEFLAGS": "--old-file=.venv/.ready"}
    with processes.running(shlex.split(command), port, "/health", tmp_path / "log", **surroundings) as server:
        assert server.process.poll() is None


@pytest.mark.parametrize("where", sorted(set(ELSEWHERE.values())))
def test_what_runs_the_rest_is_there(where: str) -> None:
    assert (ROOT / where).exists()


def test_the_first_code_of_the_readme_comes_early_and_it_stays_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines.index("```sh") < 25
    assert len(lines) <= 250
