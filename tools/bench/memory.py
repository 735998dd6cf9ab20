"""What there is before anybody asks: imports, resident memory, and the sizes of what is deployed."""

import resource
import subprocess
from pathlib import Path
from typing import Final

from tests.support.processes import clean_environment
from tools.bench import machine
from tools.bench.candidates import Bench, Subject
from tools.bench.deployment import Deployment
from tools.bench.figures import Report

IMPORTS: Final = {
    "python alone": "pass",
    "functions_framework.aio": "import functions_framework.aio",
    "chromagent.app": "import chromagent.app",
    "functions/main.py": "import main",
}
RESIDENT: Final = "; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')))"


def measure(bench: Bench, place: Deployment, report: Report, rounds: int) -> None:
    """Measure imports in fresh interpreters, and sizes."""
    spent = report.measure("import in a fresh interpreter, byte code present: CPU", "ms", "functions_framework.aio")
    memory = report.measure("import in a fresh interpreter: RSS", "MB", "functions_framework.aio")
    for number in range(rounds + 1):
        for name, statement in IMPORTS.items():
            cpu, resident = _import(place.python, statement, place.compiled, bench)
            if number:
                spent.add(Subject(name), cpu * 1e3)
                memory.add(Subject(name), resident / 1e6)
    sizes = report.measure("size", "kB", "archive")
    sizes.add(Subject("archive"), place.archive_bytes / 1e3)
    sizes.add(Subject("environment of pinned requirements, with byte code"), place.environment_bytes / 1e3)


def _import(python: Path, statement: str, folder: Path, bench: Bench) -> tuple[float, int]:
    """Import in a new process; return its processor seconds and its resident bytes."""
    environment = clean_environment() | bench.configuration() | {"PYTHONDONTWRITEBYTECODE": "1"}
    with machine.pinned(bench.cores.server):
        before = _children_seconds()
        told = subprocess.run([python, "-c", statement + RESIDENT], cwd=folder, env=environment, capture_output=True, check=True)
        return _children_seconds() - before, int(told.stdout) * 1024


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
