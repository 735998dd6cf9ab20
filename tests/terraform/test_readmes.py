"""The example of every module's page can be planned as it is written there."""

import re
from pathlib import Path

import pytest

from tests.support import terraform
from tests.support.terraform import TREE, VARIABLE, Terraform

PAGES = sorted(path for path in TREE.glob("modules/*/README.md"))


def examples(page: Path) -> list[str]:
    return re.findall(r"^```hcl\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_page_has_one_example_and_names_every_variable_and_output(page: Path) -> None:
    assert len(examples(page)) == 1
    code = "\n".join(path.read_text() for path in page.parent.glob("*.tf"))
    named = {name for kind in ("variable", "output") for name, _ in terraform.blocks(code, kind)}
    assert {name for name in named if f"`{name}`" not in page.read_text()} == set()


def test_the_examples_can_be_planned(tf: Terraform) -> None:
    if not tf.offline:
        pytest.skip(f"a plan over the real providers needs a project: {VARIABLE} does not name the offline schemas")
    folder = tf.tree / "readmes"
    folder.mkdir()
    pages = [*PAGES, TREE / "README.md"]
    code = "\n".join(example for page in pages for example in examples(page))
    (folder / "main.tf").write_text(code.replace('"./modules/', '"../modules/').replace('"./terraform"', '"../"'))
    planned = terraform.resources(tf.plan(tf.init(folder)))
    assert {address.split(".")[1] for address in planned} >= {"function", "gateway", "secrets", "chromagent"}


@pytest.mark.parametrize("page", sorted(TREE.rglob("README.md")), ids=lambda page: str(page.parent.relative_to(TREE.parent)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
