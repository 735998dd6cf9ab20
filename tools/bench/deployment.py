"""What the platform has after a deployment: the archive unpacked, and an environment with its pinned requirements only."""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import clean_environment
from tools.bench.machine import ROOT


@dataclass(frozen=True)
class Deployment:
    """Folders and sizes; bytes."""

    app: Path
    """The archive as it is."""
    compiled: Path
    """The same with byte code, should the platform make some."""
    command: Path
    archive_bytes: int
    environment_bytes: int

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.command.with_name("python")


def deploy(folder: Path) -> Deployment:
    """Bundle, unpack and install. Raises `subprocess.CalledProcessError` where packages cannot be had."""
    archive = folder / "chromagent.zip"
    _run(sys.executable, ROOT / "tools" / "bundle.py", archive)
    for name in ("app", "compiled"):
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(folder / name)
    _run(sys.executable, "-m", "compileall", "-q", folder / "compiled")
    uv = Path(sys.executable).with_name("uv")
    place = folder / "environment"
    _run(uv, "venv", "--quiet", "--python", sys.executable, place)
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", "--python", place / "bin" / "python"]
    _run(*install, "-r", folder / "app" / "requirements.txt")
    command = place / "bin" / "functions-framework"
    return Deployment(folder / "app", folder / "compiled", command, archive.stat().st_size, _size(place))


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, env=clean_environment() | {"UV_SYSTEM_CERTS": "1"}, capture_output=True)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink())
