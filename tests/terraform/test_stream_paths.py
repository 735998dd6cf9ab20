"""Whole plans: for each stream path who may call what, which identity may do what, and what the functions are told."""

import re
from pathlib import Path
from typing import Any

import pytest

from chromagent import config
from chromagent.providers import registry
from tests.support import terraform
from tests.support.terraform import Terraform

PROJECT = "example-project"
FUNCTION, BUILD, GATEWAY = (f"serviceAccount:chromagent-{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("fn", "build", "gw"))
TEAM = "group:team@example.com"
Resources = dict[str, dict[str, Any]]


def of_type(resources: Resources, kind: str) -> Resources:
    return {address: values for address, values in resources.items() if f".{kind}." in f".{address}"}


def invokers(resources: Resources) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for address, binding in of_type(resources, "google_cloud_run_v2_service_iam_member").items():
        assert binding["role"] == "roles/run.invoker"
        named = re.search(r'function\["(\w+)"\]', address) or re.search(r'invoker\["(\w+)"\]', address)
        assert named, address
        found.add((named[1], binding["member"]))
    return found


def functions(resources: Resources) -> dict[str, dict[str, Any]]:
    found = of_type(resources, "google_cloudfunctions2_function").values()
    return {values["name"].removeprefix("chromagent-"): values["service_config"][0] for values in found}


def own(resources: Resources, kind: str) -> list[dict[str, Any]]:
    """Those of the deployment itself, without what stands beside it."""
    return [
        values
        for address, values in of_type(resources, kind).items()
        if not re.match(r"module\.(edge|observability|redis)", address)
    ]


@pytest.mark.parametrize(
    ("variables", "may_invoke", "ingress", "hops"),
    [
        pytest.param(
            {"stream_path": "direct"},
            {("chat", "allUsers"), ("chat", GATEWAY), ("models", GATEWAY)},
            "ALLOW_ALL",
            {"chat": 1, "models": 2},
            id="direct",
        ),
        pytest.param(
            {"stream_path": "gateway_preview"},
            {("chat", GATEWAY), ("models", GATEWAY)},
            "ALLOW_ALL",
            {"chat": 2, "models": 2},
            id="gateway_preview",
        ),
        pytest.param(
            {"stream_path": "load_balancer", "domain": "llm.example.com"},
            {("chat", "allUsers"), ("models", "allUsers")},
            "ALLOW_INTERNAL_AND_GCLB",
            {"chat": 2, "models": 2},
            id="load_balancer",
        ),
        pytest.param(
            {"stream_path": "iam", "invokers": [TEAM]},
            {("chat", TEAM), ("models", TEAM)},
            "ALLOW_ALL",
            {"chat": 1, "models": 1},
            id="iam",
        ),
    ],
)
def test_who_may_call_what(
    tf: Terraform,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, Any],
    may_invoke: set[tuple[str, str]],
    ingress: str,
    hops: dict[str, int],
) -> None:
    planned = terraform.resources(tf.plan(root, project_id=PROJECT, region="europe-west1", **variables))
    assert invokers(planned) == may_invoke
    deployed = functions(planned)
    assert {name: service["ingress_settings"] for name, service in deployed.items()} == {"chat": ingress, "models": ingress}
    assert ("module.gateway[0].google_api_gateway_api.this" in planned) == ((("models", GATEWAY)) in may_invoke)
    told: dict[str, int] = {}
    for name, service in deployed.items():
        monkeypatch.setenv("CHROMAGENT_CONFIG_JSON", service["environment_variables"]["CHROMAGENT_CONFIG_JSON"])
        settings = config.load(registry.OPTIONS)
        assert settings.client_keys == f"projects/{PROJECT}/secrets/chromagent-client-keys/versions/latest"
        told[name] = settings.rate_limit.trusted_hops
    assert told == hops


def test_each_identity_has_the_least_rights_and_no_value_is_in_the_state(tf: Terraform, root: Path) -> None:
    plan = tf.plan(
        root, project_id=PROJECT, region="europe-west1", provider_keys=["gemini"], rotation_days=90, redis={"memory_gb": 2}
    )
    planned = terraform.resources(plan)
    assert {(grant["member"], grant["role"]) for grant in own(planned, "google_project_iam_member")} == {
        (FUNCTION, "roles/aiplatform.user"),
        (BUILD, "roles/artifactregistry.writer"),
        (BUILD, "roles/logging.logWriter"),
        (BUILD, "roles/storage.objectViewer"),
    }
    reading = planned["google_project_iam_member.build_source"]["condition"][0]["expression"]
    assert f"startsWith('projects/_/buckets/{PROJECT}-chromagent-source')" in reading
    assert {(grant["secret_id"], grant["member"]) for grant in own(planned, "google_secret_manager_secret_iam_member")} == {
        ("chromagent-client-keys", FUNCTION),
        ("chromagent-gemini", FUNCTION),
    }
    assert own(planned, "google_secret_manager_secret_version") == []
    assert own(planned, "google_apikeys_key") == []
    keys = planned['module.secrets.google_secret_manager_secret.this["client-keys"]']
    assert keys["rotation"][0]["rotation_period"] == "7776000s"
    assert {service["service_account_email"] for service in functions(planned).values()} == {
        FUNCTION.removeprefix("serviceAccount:")
    }
    assert functions(planned)["chat"]["direct_vpc_egress"] == "VPC_EGRESS_PRIVATE_RANGES_ONLY"


def test_every_service_that_is_used_is_enabled_and_none_is_ever_disabled(tf: Terraform, root: Path) -> None:
    planned = terraform.resources(tf.plan(root, project_id=PROJECT, region="europe-west1"))
    enabled = {service["service"] for service in own(planned, "google_project_service") if "service" in service}
    assert enabled >= {
        f"{name}.googleapis.com"
        for name in (
            "aiplatform",
            "apigateway",
            "cloudbuild",
            "cloudfunctions",
            "run",
            "secretmanager",
            "servicecontrol",
            "storage",
        )
    }
    assert not {"compute.googleapis.com", "redis.googleapis.com", "pubsub.googleapis.com"} & enabled
    assert not any(service["disable_on_destroy"] for service in own(planned, "google_project_service"))
    assert functions(planned)["chat"]["min_instance_count"] == 0
