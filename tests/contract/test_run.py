"""`make run` as a newcomer meets it: the banner, what it prints to paste, Ctrl-C, and one clear line where it cannot start."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.processes import ROOT, clean_environment, free_port

COMMAND = str(Path(sys.executable).with_name("chromagent"))


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `chromagent run` until its banner stands; gives the process and the banner."""
    process = subprocess.Popen(
        [COMMAND, "run", *arguments],
        cwd=ROOT,
        env=clean_environment() | {"PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        banner = ""
        for line in process.stdout:
            banner += line
            if "Press Ctrl-C" in line:
                break
        assert "Press Ctrl-C" in banner, banner
        yield process, banner
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def attempt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        check=False,
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def curl_of(banner: str) -> list[str]:
    match = re.search(r"  curl (-N .*?\}\')\n", banner, re.DOTALL)
    assert match is not None
    return ["curl", "-s", *shlex.split(match[1].replace("\\\n", " "))]


def snippet_of(banner: str) -> str:
    lines = banner.partition("(pip install openai):")[2].partition("Press Ctrl-C")[0].splitlines()
    return "\n".join(line.removeprefix("  ") for line in lines)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_printed_commands_work_and_ctrl_c_stops_everything() -> None:
    port = free_port()
    with running(PORT=str(port)) as (process, banner):
        assert f"http://127.0.0.1:{port}/v1" in banner
        assert "simulated Vertex" in banner

        curl = subprocess.run(curl_of(banner), check=False, capture_output=True, text=True, timeout=30)
        assert curl.stdout.endswith("data: [DONE]\n\n")
        assert curl.stdout.count("data: {") > 5

        snippet = subprocess.run(
            [sys.executable, "-c", snippet_of(banner)], check=False, capture_output=True, text=True, timeout=60
        )
        assert snippet.returncode == 0, snippet.stderr
        assert snippet.stdout.strip()

        behind = children(process.pid)
        assert len(behind) == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert not [pid for pid in behind if alive(pid)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_words_arrive_at_the_chosen_pace() -> None:
    port = free_port()
    pace = ("--words-per-second", "20", "--port", str(port))
    with running(*pace) as (_, banner), subprocess.Popen(curl_of(banner), stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        moments = [time.monotonic() for line in curl.stdout if line.startswith(b"data: ")]
    assert moments[-1] - moments[0] > 0.2


def test_direct_serves_the_function_itself() -> None:
    port = free_port()
    with running("--direct", "--port", str(port)) as (_, banner):
        key = re.search(r"client key  (\S+)", banner)
        assert key is not None
        answer = httpx.get(f"http://127.0.0.1:{port}/nowhere", trust_env=False)
        assert answer.json()["error"]["code"] == "resource_not_found"
        models = httpx.get(f"http://127.0.0.1:{port}/v1/models", headers={"authorization": f"Bearer {key[1]}"}, trust_env=False)
        assert models.json()["object"] == "list"


def test_behind_the_gateway_an_unknown_path_is_the_gateways_own_error() -> None:
    port = free_port()
    with running("--port", str(port)):
        answer = httpx.get(f"http://127.0.0.1:{port}/nowhere", trust_env=False)
    assert answer.json() == {"code": 404, "message": "The current request is not defined by this API."}


def test_the_death_of_a_function_is_told_and_ends_the_rest() -> None:
    port = free_port()
    with running("--port", str(port)) as (process, _):
        behind = children(process.pid)
        os.kill(behind[1], signal.SIGKILL)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "the chat function ended with status" in output
        assert not [pid for pid in behind if alive(pid)]


def test_a_busy_port_is_one_clear_line() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        ended = attempt("run", PORT=str(port))
    assert ended.returncode == 2
    assert (
        ended.stderr.strip() == f"chromagent: port {port} cannot be used (Address already in use): choose another one with PORT=…"
    )
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("CHROMAGENT_TIMEOUT", "soon", "timeout: expected a number, got a string"),
        ("CHROMAGENT_TIMOUT", "5", "CHROMAGENT_TIMOUT: no such setting"),
        ("CHROMAGENT_CONFIG", "/no/such/file.toml", "/no/such/file.toml: cannot be read"),
        ("PORT", "eighty", "PORT is not a number: eighty"),
        ("PORT", "70000", "PORT must be between 1 and 65535, not 70000"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, line: str) -> None:
    ended = attempt("run", **{name: value})
    assert ended.returncode == 2
    assert line in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_names_what_cannot_be_reached() -> None:
    document = '{"backends": {"vertex-gemini": {"base_url": "http://127.0.0.1:1", "auth": "none", "project": "p"}, '
    document += '"vertex-anthropic": {"enabled": false}}, "allow_anonymous": true}'
    ended = attempt("check", CHROMAGENT_CONFIG_JSON=document)
    assert ended.returncode == 1
    assert "vertex-gemini" in ended.stdout + ended.stderr


def test_a_new_key_is_shown_once_and_its_record_holds_only_a_hash() -> None:
    ended = attempt("keys", "new", "--name", "laptop")
    key = re.search(r"sk-cg-\S+", ended.stderr)
    assert ended.returncode == 0
    assert key is not None
    assert key[0] not in ended.stdout
    assert '"name":"laptop"' in ended.stdout.replace(" ", "")


@pytest.mark.parametrize("arguments", [(), ("--direct",)])
def test_pages_of_other_names_and_origins_reach_nothing_on_this_machine(arguments: tuple[str, ...]) -> None:
    port = free_port()
    with (
        running(*arguments, "--port", str(port), CHROMAGENT_ALLOW_ANONYMOUS="true"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        assert http.get("/v1/models").status_code == 200
        assert http.get("/v1/models", headers={"host": f"evil.example.com:{port}"}).status_code == 421
        assert http.get("/v1/models", headers={"host": "127.0.0.1:1"}).status_code == 421
        assert http.get("/v1/models", headers={"origin": "https://evil.example.com"}).status_code == 403
        assert http.get("/v1/models", headers={"sec-fetch-site": "same-origin"}).status_code == 200
