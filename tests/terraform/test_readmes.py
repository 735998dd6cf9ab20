"""The example of every module's page can be planned as it is written there."""

import re
from pathlib import Path

import pytest

from tests.support import terraform
from tests.support.terraform import TREE, Terraform

EXAMPLE_SETS = ["project_id", "region", "backends", "rate_limit", "limits", "cors", "observability", "rotation_days"]
PAGES = sorted(path for path in TREE.glob("modules/*/README.md"))


def examples(page: Path) -> list[str]:
    return re.findall(r"^```hcl\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_page_has_one_example_and_names_every_variable_and_output(page: Path) -> None:
    assert len(examples(page)) == 1
    code = "\n".join(path.read_text() for path in page.parent.glob("*.tf"))
    named = {name for kind in ("variable", "output") for name, _ in terraform.blocks(code, kind)}
    assert {name for name in named if f"`{name}`" not in page.read_text()} == set()


def every_variable_of_the_example() -> str:
    """The lines of terraform.tfvars.example, with what is commented out, as a call of the root."""
    text = (TREE / "terraform.tfvars.example").read_text()
    assignments = re.sub(r"^# (?=\w+ += |  |\}$)", "", text, flags=re.MULTILINE)
    assert re.findall(r"^\w+", assignments, re.MULTILINE) == EXAMPLE_SETS
    return f'module "everything" {{\n  source = "./terraform"\n{assignments}}}\n'


def test_the_examples_can_be_planned(tf: Terraform) -> None:
    folder = tf.tree / "readmes"
    folder.mkdir()
    pages = [*PAGES, TREE / "README.md"]
    code = "\n".join([example for page in pages for example in examples(page)] + [every_variable_of_the_example()])
    (folder / "main.tf").write_text(code.replace('"./modules/', '"../modules/').replace('"./terraform"', '"../"'))
    planned = terraform.resources(tf.plan(tf.init(folder)))
    assert {address.split(".")[1].partition("[")[0] for address in planned} >= {
        "function",
        "gateway",
        "secrets",
        "chromagent",
        "everything",
    }


@pytest.mark.parametrize("page", sorted(TREE.rglob("README.md")), ids=lambda page: str(page.parent.relative_to(TREE.parent)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
