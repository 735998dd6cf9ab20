"""The command line where only the gateway itself is installed, without the extra packages of local use."""

import subprocess
import sys

import pytest

BARE = """
import sys
for name in ("yaml", "uvicorn", "limits"):
    sys.modules[name] = None  # importing it fails as if it were not installed
from chromagent.local.cli import main
main(sys.argv[1:])
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BARE, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [("keys", "new", "--name", "laptop"), ("--help",), ("keys", "--help")])
def test_keys_need_no_extra_packages(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)


def test_a_check_needs_no_extra_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMAGENT_BACKENDS", '{"vertex-gemini": {"enabled": false}, "vertex-anthropic": {"enabled": false}}')
    ended = run("check")
    assert "Traceback" not in ended.stderr
    assert "client keys" in ended.stdout + ended.stderr


def test_run_names_the_package_that_it_lacks() -> None:
    ended = run("run")
    assert ended.returncode == 2
    assert ended.stderr == "chromagent: run needs the package 'uvicorn': install chromagent[local]\n"
