"""The budget that gcloud makes and removes: the commands that Terraform really runs, with a gcloud that only notes them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT

NOTING = """#!/bin/sh
for argument in "$@"; do printf '%s\\n' "$argument" >> "$NOTED"; done
printf '\\n' >> "$NOTED"
[ "$3" != list ] || echo billingAccounts/012345-ABCDEF-678901/budgets/b1
"""
VARIABLES = {
    "billing_account": "012345-ABCDEF-678901",
    "project_id": "my-project",
    "name": "chromagent my-project",
    "monthly_amount": 100,
    "currency": "EUR",
    "channels": ["projects/my-project/notificationChannels/1"],
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What gcloud was asked on apply, then on destroy."""
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform on this machine (https://developer.hashicorp.com/terraform/install)")
    folder = tmp_path_factory.mktemp("budget")
    shutil.copytree(ROOT / "terraform" / "modules" / "budget", folder, dirs_exist_ok=True)
    (folder / "given.auto.tfvars.json").write_text(json.dumps(VARIABLES))
    gcloud = folder / "bin" / "gcloud"
    gcloud.parent.mkdir()
    gcloud.write_text(NOTING)
    gcloud.chmod(0o755)
    for command in (["init"], ["apply", "-auto-approve"], ["destroy", "-auto-approve"]):
        run(folder, terraform, *command)
    return [block.splitlines() for block in (folder / "noted").read_text().split("\n\n") if block]


def run(folder: Path, *command: str) -> None:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"CHECKPOINT_DISABLE": "1", "PATH": path, "NOTED": str(folder / "noted")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_apply_makes_the_budget_of_the_project(commands: list[list[str]]) -> None:
    assert commands[0] == [
        *("billing", "budgets", "create"),
        "--billing-account=012345-ABCDEF-678901",
        "--display-name=chromagent my-project",
        "--budget-amount=100EUR",
        "--filter-projects=projects/my-project",
        "--threshold-rule=percent=0.5",
        "--threshold-rule=percent=0.9",
        "--threshold-rule=percent=1.0",
        "--threshold-rule=percent=1.0,basis=forecasted-spend",
        "--notifications-rule-monitoring-notification-channels=projects/my-project/notificationChannels/1",
    ]


def test_destroy_removes_it_by_its_name(commands: list[list[str]]) -> None:
    assert commands[1:] == [
        [
            *("billing", "budgets", "list", "--billing-account=012345-ABCDEF-678901"),
            '--filter=displayName="chromagent my-project"',
            "--format=value(name)",
        ],
        ["billing", "budgets", "delete", "billingAccounts/012345-ABCDEF-678901/budgets/b1", "--quiet"],
    ]
