"""The pages of the Terraform modules: their example is one that a test of the module runs, their tables are complete."""

import re
from pathlib import Path

import pytest

from tests.support.processes import ROOT

TREE = ROOT / "terraform"
MODULES = ["bootstrap", "modules/budget", "modules/edge", "modules/observability", "modules/redis", "modules/signals"]


def arguments(hcl: str) -> set[str]:
    """Every line that sets something, without its alignment."""
    return {re.sub(r"\s+", " ", line.strip()) for line in hcl.splitlines() if " = " in line}


def declared(module: Path, kind: str) -> set[str]:
    return set(re.findall(rf'^{kind} "(\w+)"', "\n".join(path.read_text() for path in module.glob("*.tf")), re.MULTILINE))


@pytest.mark.parametrize("module", MODULES)
def test_the_example_is_one_that_a_test_runs(module: str) -> None:
    page = (TREE / module / "README.md").read_text()
    [example] = re.findall(r"```hcl\n(.*?)```", page, re.DOTALL)
    run = arguments("\n".join(path.read_text() for path in (TREE / module / "tests").glob("*.tftest.hcl")))
    given = arguments(example)
    assert given - run == {f'source = "./{module}"'}


@pytest.mark.parametrize("module", MODULES)
def test_every_variable_and_output_is_on_the_page(module: str) -> None:
    tables = "\n".join(line for line in (TREE / module / "README.md").read_text().splitlines() if line.startswith("|"))
    named = set(re.findall(r"`(\w+)`", tables))
    assert declared(TREE / module, "variable") | declared(TREE / module, "output") <= named
