"""What is deployed: exactly the sources that are needed, and they serve where nothing but their requirements is installed."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support import deployed
from tests.support.processes import ROOT


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    subprocess.run([sys.executable, ROOT / "tools" / "bundle.py", folder / "bundle.zip"], check=True, capture_output=True)
    with zipfile.ZipFile(folder / "bundle.zip") as bundle:
        bundle.extractall(folder / "app")
    return folder


def test_it_holds_the_entry_points_the_package_and_pinned_requirements(archive: Path) -> None:
    names = {str(path.relative_to(archive / "app")) for path in (archive / "app").rglob("*") if path.is_file()}
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "chromagent").rglob("*.py")}
    assert names == {"main.py", "requirements.txt"} | {name for name in package if not name.startswith("chromagent/local/")}


def test_every_requirement_is_pinned_with_hashes(archive: Path) -> None:
    lines = (archive / "app" / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 20
    assert all("==" in line for line in pinned)
    assert sum("--hash=sha256:" in line for line in lines) >= len(pinned)


def test_developers_tools_are_not_deployed(archive: Path) -> None:
    requirements = (archive / "app" / "requirements.txt").read_text()
    assert not any(f"\n{name}==" in requirements for name in ("pytest", "openai", "respx", "hypothesis", "ruff"))


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    def build() -> bytes:
        subprocess.run([sys.executable, ROOT / "tools" / "bundle.py", tmp_path / "bundle.zip"], check=True, capture_output=True)
        return (tmp_path / "bundle.zip").read_bytes()

    assert build() == build()


def test_the_requirements_are_those_of_the_lock() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "tools" / "requirements.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_it_serves_where_only_its_requirements_are_installed(archive: Path) -> None:
    document = {"allow_anonymous": True, "backends": {"vertex-gemini": {"project": "p"}, "vertex-anthropic": {"project": "p"}}}
    with deployed.serving(archive / "app", archive, CHROMAGENT_CONFIG_JSON=json.dumps(document)) as server:
        models = httpx.get(f"{server.url}/v1/models").json()["data"]
        refused = httpx.post(f"{server.url}/v1/chat/completions", json={"model": "gemini-3.8-flash", "messages": []})
    assert "gemini-3.8-flash" in {model["id"] for model in models}
    assert refused.json()["error"]["code"] == "empty_array"
