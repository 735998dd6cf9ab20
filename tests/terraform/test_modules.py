"""Every module and example by itself: formatted, valid, its own tests green; every variable told and guarded."""

import re
import subprocess

import pytest

from tests.support import terraform
from tests.support.terraform import TREE, Terraform

OWN = [module for module in terraform.modules() if not module.startswith("examples/")]


def text(module: str, pattern: str) -> str:
    return "\n".join(path.read_text() for path in sorted((TREE / module).glob(pattern)))


def test_everything_is_formatted(tf: Terraform) -> None:
    assert tf.run(TREE, "fmt", "-check", "-diff", "-recursive") == ""


@pytest.mark.parametrize("module", terraform.modules())
def test_it_is_valid_and_passes_its_own_tests(tf: Terraform, module: str) -> None:
    """`terraform test` validates what it tests, before it runs anything."""
    folder = tf.init(tf.tree / module)
    assert re.search(r"Success! \d+ passed, 0 failed", tf.run(folder, "test"))


@pytest.mark.parametrize("module", terraform.modules())
def test_it_has_tests_and_a_page(module: str) -> None:
    assert list((TREE / module).glob("tests/*.tftest.hcl"))
    assert (TREE / module / "README.md").is_file()


@pytest.mark.parametrize("module", terraform.modules())
def test_every_variable_and_output_is_described(module: str) -> None:
    code = text(module, "*.tf")
    for kind in ("variable", "output"):
        undescribed = [
            name for name, body in terraform.blocks(code, kind) if not re.search(r"^  description += ", body, re.MULTILINE)
        ]
        assert undescribed == [], kind


@pytest.mark.parametrize("module", OWN)
def test_every_variable_is_validated(module: str) -> None:
    variables = terraform.blocks(text(module, "*.tf"), "variable")
    assert [
        name for name, body in variables if "  validation {" not in body and not re.search(r"^  type += bool$", body, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("module", OWN)
def test_every_validation_refuses_something_in_a_test(module: str) -> None:
    """A variable with several validations needs a failing run for each: in one run only the first to fail is seen."""
    refused = re.findall(
        r"\bvar\.(\w+)", " ".join(re.findall(r"expect_failures = \[(.*?)\]", text(module, "tests/*.hcl"), re.DOTALL))
    )
    for name, body in terraform.blocks(text(module, "*.tf"), "variable"):
        assert refused.count(name) >= body.count("  validation {"), name


@pytest.mark.parametrize(
    "module", [".", "bootstrap", *(module for module in terraform.modules() if module.startswith("examples/"))]
)
def test_what_is_applied_has_the_versions_of_its_providers_locked(tf: Terraform, module: str) -> None:
    """Every provider is in the lock file, and in the version that init takes."""
    folder = tf.tree / module
    lock = folder / ".terraform.lock.hcl"
    tf.init(folder)
    assert versions(lock.read_text()) == versions((TREE / module / ".terraform.lock.hcl").read_text())


def versions(lock: str) -> list[str]:
    return re.findall(r'^provider ".*" \{|^  version .*|^  constraints .*', lock, re.MULTILINE)


def test_nobody_commits_what_terraform_leaves_behind() -> None:
    files = subprocess.run(["git", "ls-files", "terraform"], cwd=TREE.parent, check=True, capture_output=True, text=True).stdout
    assert re.findall(r".*(?:\.tfstate|\.terraform/|\.tfplan|terraform\.tfvars$|modules/.*\.terraform\.lock\.hcl).*", files) == []
