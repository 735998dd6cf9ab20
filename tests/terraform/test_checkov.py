"""What checkov knows of good practice, held against whole plans of what can be deployed."""

import json
import re
from pathlib import Path

import pytest

from tests.support import checkov, terraform
from tests.support.terraform import TREE, Terraform

EXAMPLES = [module for module in terraform.modules() if module.startswith("examples/")]
VARIABLES: dict[str, dict[str, object]] = {
    "bootstrap": {"region": "europe-west4"},
    "examples/iam": {"invokers": ["group:team@example.com"]},
    "examples/load_balancer": {"domain": "llm.example.com"},
}


@pytest.fixture(scope="session")
def command() -> Path:
    return checkov.install()


def report(tf: Terraform, command: Path, module: str, folder: Path) -> checkov.Report:
    plan = tf.plan(tf.init(tf.tree / module), project_id="example-project", **VARIABLES.get(module, {}))
    written = folder / "plan.json"
    written.write_text(json.dumps(plan))
    return checkov.check(command, written, tf.tree)


@pytest.mark.parametrize("module", ["bootstrap", *EXAMPLES])
def test_everything_that_checkov_finds_is_mended_or_has_its_reason(
    tf: Terraform, command: Path, module: str, tmp_path: Path
) -> None:
    found = report(tf, command, module, tmp_path)
    assert found.failed == []
    assert found.passed > 0
    assert [one for one in found.passed_over if not one.reason] == []


def test_a_resource_without_a_reason_is_found(command: Path, tmp_path: Path) -> None:
    bucket = {
        "address": "google_storage_bucket.open",
        "mode": "managed",
        "type": "google_storage_bucket",
        "name": "open",
        "values": {"name": "open", "location": "EU", "uniform_bucket_level_access": False},
    }
    plan = tmp_path / "plan.json"
    plan.write_text(
        json.dumps(
            {
                "format_version": "1.2",
                "terraform_version": "1.11.4",
                "planned_values": {"root_module": {"resources": [bucket]}},
                "resource_changes": [bucket | {"change": {"actions": ["create"], "before": None, "after": bucket["values"]}}],
            }
        )
    )
    found = checkov.check(command, plan, tmp_path)
    assert ("CKV_GCP_29", "google_storage_bucket.open") in {(one.check, one.resource) for one in found.failed}


def test_every_exception_stands_in_a_resource_with_its_reason() -> None:
    text = "\n".join(path.read_text() for path in TREE.rglob("*.tf"))
    assert text.count("checkov:") == len(re.findall(r"^  #checkov:skip=CKV2?_GCP_\d+:\S.{20,}$", text, re.MULTILINE))
