"""checkov in an environment of its own: it asks for older releases of what the gateway uses, and cannot be installed beside it."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.processes import ROOT, clean_environment

REQUIREMENTS = ROOT / "tools" / "checkov" / "requirements.txt"
LONGEST = 300.0
"""Seconds for its installation, and for one run."""


class Finding(NamedTuple):
    """One check of one resource, and why it is passed over if it is."""

    check: str
    resource: str
    reason: str


class Report(NamedTuple):
    """What checkov said of a plan."""

    passed: int
    failed: list[Finding]
    passed_over: list[Finding]


def install() -> Path:
    """Install the pinned release, one process at a time, and return its command. What is there already is used."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    place = cache / f"chromagent-checkov-{digest}"
    uv = Path(sys.executable).with_name("uv")
    cache.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = place / "ready"
        if not ready.exists():
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place], check=True, timeout=LONGEST)
            options = ["--quiet", "--python", place, "--require-hashes", "--requirements", REQUIREMENTS]
            subprocess.run([uv, "pip", "install", *options], check=True, timeout=LONGEST)
            ready.touch()
    return place / "bin" / "checkov"


def check(command: Path, plan: Path, tree: Path) -> Report:
    """Check a plan that was written as JSON, without the network; `tree` is the code with the reasons for what is passed over."""
    options = ["--framework", "terraform_plan", "--skip-download", "--compact", "--output", "json", "--soft-fail"]
    result = subprocess.run(
        [command, "--file", plan, "--repo-root-for-plan-enrichment", tree, *options],
        env=clean_environment() | {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["summary"]["parsing_errors"] == 0
    results = report["results"]
    return Report(report["summary"]["passed"], _findings(results, "failed_checks"), _findings(results, "skipped_checks"))


def _findings(results: dict[str, list[dict[str, Any]]], kind: str) -> list[Finding]:
    return [
        Finding(one["check_id"], one["resource"], one["check_result"].get("suppress_comment") or "")
        for one in results.get(kind, [])
    ]
