"""The gateway that streams is made, moved to another config and taken away by gcloud; a stand-in writes down what it was asked."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.terraform import VARIABLE, Terraform

GCLOUD = """#!/bin/sh
echo "$@" >>"$GCLOUD_CALLS"
"""
NO_CONSUMER = 'resource "google_project_service" "consumer" {\n  count = 0\n}\n'
"""The name that the stub makes up for the API is none that a service can have."""
VARIABLES = {
    "project_id": "example-project",
    "project_number": "42",
    "region": "europe-west1",
    "function_region": "europe-west1",
    "document": "swagger: '2.0'",
    "services": '{chat="chromagent-chat", models="chromagent-models"}',
    "service_account": "chromagent-gw@example-project.iam.gserviceaccount.com",
    "streaming": "true",
}


def test_gcloud_makes_it_keeps_its_address_under_another_config_and_takes_it_away(tf: Terraform, tmp_path: Path) -> None:
    if not tf.offline:
        pytest.skip(f"an apply needs a project, or the offline schemas: {VARIABLE} does not name them")
    shutil.copytree(tf.tree / "modules" / "gateway", tmp_path / "gateway")
    (tmp_path / "gateway" / "stub_override.tf").write_text(NO_CONSUMER)
    module = tf.init(tmp_path / "gateway")
    (tmp_path / "gcloud").write_text(GCLOUD)
    (tmp_path / "gcloud").chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"TF_OFFLINE_APPLY": "1", "GCLOUD_CALLS": str(calls), "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def change(command: str, document_id: str) -> tuple[list[str], str]:
        calls.write_text("")
        variables = [f"-var={name}={value}" for name, value in (VARIABLES | {"document_id": document_id}).items()]
        printed = tf.run(module, command, "-auto-approve", "-input=false", *variables, **environment)
        return calls.read_text().splitlines(), printed

    place = "chromagent-streaming --project=example-project --location=europe-west1"
    config = "--api=chromagent --api-config=chromagent-00000"
    assert change("apply", "000001")[0][0] == f"alpha api-gateway gateways create {place} {config}1 --enable-streaming --quiet"
    assert change("apply", "000001")[0] == []
    moved, printed = change("apply", "000002")
    assert moved == [f"api-gateway gateways update {place} {config}2 --quiet"]
    assert printed.index("streaming_gateway_config[0]: Creation complete") < printed.index("(deposed object")
    assert change("destroy", "000002")[0] == [f"api-gateway gateways delete {place} --quiet"]
