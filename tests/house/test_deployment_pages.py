"""The pages on the deployment name outputs, variables, resources and roles that Terraform has."""

import re

import pytest

from tests.support.processes import ROOT

TERRAFORM = ROOT / "terraform"
NAMES = ("deploy", "choosing-a-stream-path", "costs", "rotation", "upgrading-and-tearing-down", "deployment-security")
PAGES = {name: " ".join((ROOT / "docs" / f"{name}.md").read_text().split()) for name in NAMES}


def declared(kind: str) -> set[str]:
    return set(re.findall(rf'^{kind} "(\w+)"', "".join(path.read_text() for path in TERRAFORM.glob("*.tf")), re.MULTILINE))


@pytest.mark.parametrize("page", NAMES)
def test_outputs_that_a_page_names_are_there(page: str) -> None:
    named = {
        name
        for groups in re.findall(r"output -raw (\w+)|[Oo]utputs? `(\w+)`|`(base_urls)`", PAGES[page])
        for name in groups
        if name
    }
    assert named <= declared("output")


@pytest.mark.parametrize("page", NAMES)
def test_variables_that_a_page_names_are_there(page: str) -> None:
    inner = {"chat", "min_instances"}
    named = set(re.findall(r"-var (\w+)=|`(\w+) = ", PAGES[page]))
    assert {name for groups in named for name in groups if name} - inner <= declared("variable")


def test_variables_of_what_people_change_first_are_there() -> None:
    table = (ROOT / "docs" / "deploy.md").read_text().partition("| wish | variable |")[2]
    named = set(re.findall(r"\| `(\w+)(?:`| =)", table))
    assert {"stream_path", "limits", "rate_limit", "observability"} <= named
    assert named <= declared("variable")


def test_every_stream_path_has_its_rows() -> None:
    [allowed] = re.findall(r"contains\(\[([^]]+)\], var\.stream_path\)", (TERRAFORM / "variables.tf").read_text())
    for path in re.findall(r'"(\w+)"', allowed):
        assert f"| `{path}`" in PAGES["choosing-a-stream-path"]
        assert f"| `{path}` |" in PAGES["deployment-security"]


def test_identities_and_roles_are_those_of_the_security_page() -> None:
    runtime = (TERRAFORM / "modules" / "identities" / "main.tf").read_text()
    builders = (TERRAFORM / "bootstrap" / "identities.tf").read_text()
    [of_builds] = re.findall(r"^  builders = \{\n(.*?)^  \}", builders, re.MULTILINE | re.DOTALL)
    made = {*re.findall(r'\{ id = "(\w+)"', runtime), *re.findall(r"^    (\w+) +=", of_builds, re.MULTILINE)}
    assert made == {"fn", "build", "gw", "test", "plan", "apply"}
    assert made == set(re.findall(r"\| `chromagent-(\w+)`", PAGES["deployment-security"]))
    permissions = re.findall(r'"(aiplatform\.\w+\.\w+)"', runtime)
    assert permissions
    assert all(f"`{permission}`" in PAGES["deployment-security"] for permission in permissions)
