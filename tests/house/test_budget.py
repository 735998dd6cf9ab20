"""What a cold start may load and carry, as counts of modules and bytes. Whoever needs more raises a figure here, and says why."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

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
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("budget") / "bundle.zip"
    subprocess.run([sys.executable, ROOT / "tools" / "bundle.py", path], check=True, capture_output=True)
    return path


def test_the_entry_point_loads_few_modules(modules: list[str]) -> None:
    assert len(modules) <= 225


def test_most_of_what_it_loads_is_its_own(modules: list[str]) -> None:
    assert count("chromagent", modules) <= 106
    assert count("pydantic", modules) + count("pydantic_settings", modules) <= 70
    assert count("httpx", modules) + count("httpcore", modules) == 0
    assert count("google", modules) <= 12


@pytest.mark.parametrize(
    "package", ["grpc", "redis", "limits", "requests", "aiohttp", "anyio", "cryptography", "uvicorn", "openai"]
)
def test_what_only_some_deployments_need_is_loaded_with_its_first_use(package: str, modules: list[str]) -> None:
    assert count(package, modules) == 0


def test_the_archive_is_small(archive: Path) -> None:
    assert archive.stat().st_size <= 280_000


def test_the_archive_asks_for_few_packages(archive: Path) -> None:
    with zipfile.ZipFile(archive) as bundle:
        requirements = bundle.read("requirements.txt").decode()
    assert len(set(re.findall(r"^([\w.-]+)==", requirements, re.MULTILINE))) <= 57
