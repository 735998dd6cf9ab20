"""An unpacked archive as the platform serves it: functions-framework, in an environment with its requirements and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import processes
from tests.support.processes import Server


@contextmanager
def serving(folder: Path, place: Path, **environment: str) -> Iterator[Server]:
    """Install the requirements of `folder` below `place` and serve its chat function."""
    uv = Path(sys.executable).with_name("uv")
    installing = processes.clean_environment() | {"UV_SYSTEM_CERTS": "1"}
    installed = place / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, installed], check=True, env=installing)
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", installed / "bin" / "python"]
    subprocess.run([*install, "-r", folder / "requirements.txt"], check=True, env=installing)
    port = processes.free_port()
    command = [
        str(installed / "bin" / "functions-framework"),
        "--source",
        "main.py",
        "--target",
        "chat_completions",
        "--port",
        str(port),
    ]
    with processes.running(
        command, port, "/health", place / "log", folder=folder, PATH=os.environ["PATH"], **environment
    ) as server:
        yield server
