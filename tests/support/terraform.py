"""The real terraform binary for tests, over the offline schemas that one variable names, or else over the registry."""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.processes import ROOT, clean_environment

VARIABLE = "CHROMAGENT_TEST_TERRAFORM"
TREE = ROOT / "terraform"
REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
LONGEST = 300.0
"""Seconds for one command."""


class Terraform(NamedTuple):
    """Where a copy of the deployed tree is, and how providers are found."""

    tree: Path
    environment: dict[str, str]
    offline: bool

    def run(self, folder: Path, *arguments: str, **environment: str) -> str:
        """Run a command in a folder and return what it printed; one that fails fails the test."""
        result = subprocess.run(
            ["terraform", f"-chdir={folder}", *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert result.returncode == 0, f"terraform {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def init(self, folder: Path) -> Path:
        """Initialise a folder of the copy and return it."""
        self.run(folder, "init", "-input=false", "-backend=false")
        return folder

    def plan(self, folder: Path, *options: str, **variables: object) -> dict[str, Any]:
        """Plan an initialised folder with the offline schemas and return the plan; skips without them."""
        if not self.offline:
            pytest.skip(f"a plan over the real providers needs a project: {VARIABLE} does not name the offline schemas")
        arguments = [f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in variables.items()]
        self.run(folder, "plan", "-input=false", "-lock=false", "-out=tests.tfplan", *options, *arguments)
        return json.loads(self.run(folder, "show", "-json", "tests.tfplan"))


def modules() -> list[str]:
    """Name every folder that is a module or an example; the root is a point."""
    folders = {path.parent.relative_to(TREE) for path in TREE.rglob("*.tf") if ".terraform" not in path.parts}
    return sorted(str(folder) for folder in folders)


def prepare(folder: Path) -> Terraform:
    """Copy the tree and find the providers. Skips where that is impossible, with the reason."""
    if shutil.which("terraform") is None:
        pytest.skip("no terraform on this machine")
    environment = clean_environment() | {"TF_CLI_ARGS": "-no-color", "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    schemas = os.environ.get(VARIABLE)
    if schemas:
        environment["TF_CLI_CONFIG_FILE"] = _offline(Path(schemas))
    elif not _registry_answers():
        pytest.skip(f"no providers: the registry does not answer, and {VARIABLE} does not name the offline schemas")
    # The hashes of a lock file are those of the registry's packages, which no other package has.
    leftovers = (".terraform*" if schemas else ".terraform", "*.tfstate*", "__pycache__")
    for name in ("terraform", "chromagent", "functions"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*leftovers))
    return Terraform(folder / "terraform", environment, bool(schemas))


def _offline(schemas: Path) -> str:
    """Lay out the mirror, one process at a time, and return its configuration."""
    place = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "terraform-offline"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        printed = subprocess.run([schemas / "setup", place], check=True, capture_output=True, text=True, timeout=LONGEST).stdout
    return printed.split("TF_CLI_CONFIG_FILE=")[1].split()[0]


@cache
def _registry_answers() -> bool:
    try:
        return httpx.get(REGISTRY, timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


def resources(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the planned values of every managed resource by its address."""
    return {
        change["address"]: change["change"]["after"] or {}
        for change in plan["resource_changes"]
        if change["mode"] == "managed" and change["change"]["actions"] == ["create"]
    }


def blocks(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield name and body of every formatted top-level block of a kind."""
    for match in re.finditer(rf'^{kind} "([\w-]+)" \{{\n(.*?)^\}}', text, re.MULTILINE | re.DOTALL):
        yield match[1], match[2]
