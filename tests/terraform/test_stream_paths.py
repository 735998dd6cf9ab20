"""Whole plans: for each stream path who may call what, which identity may do what, and what the functions are told."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chromagent import config
from chromagent.providers import registry
from tests.support import terraform
from tests.support.terraform import Terraform

PROJECT = "example-project"
FUNCTION, BUILD, GATEWAY = (f"serviceAccount:chromagent-{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("fn", "build", "gw"))
EVERYWHERE = {
    "aiplatform",
    "artifactregistry",
    "cloudbuild",
    "cloudfunctions",
    "cloudresourcemanager",
    "iam",
    "logging",
    "monitoring",
    "run",
    "secretmanager",
    "storage",
}
FOR_A_GATEWAY = {"apigateway", "apikeys", "servicecontrol", "servicemanagement"}
TEAM = "group:team@example.com"
Resources = dict[str, dict[str, Any]]


class Expected(NamedTuple):
    """What a stream path makes of the deployment."""

    may_invoke: set[tuple[str, str]]
    also_enabled: set[str]
    ingress: str
    hops: dict[str, int]


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


def enabled(resources: Resources) -> set[str]:
    services = own(resources, "google_project_service")
    assert not any(service["disable_on_destroy"] for service in services)
    return {service["service"].removesuffix(".googleapis.com") for service in services if "service" in service}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            {"stream_path": "direct"},
            Expected(
                may_invoke={("chat", "allUsers"), ("chat", GATEWAY), ("models", GATEWAY)},
                also_enabled=FOR_A_GATEWAY,
                ingress="ALLOW_ALL",
                hops={"chat": 1, "models": 2},
            ),
            id="direct",
        ),
        pytest.param(
            {"stream_path": "gateway_preview"},
            Expected(
                may_invoke={("chat", GATEWAY), ("models", GATEWAY)},
                also_enabled=FOR_A_GATEWAY,
                ingress="ALLOW_ALL",
                hops={"chat": 2, "models": 2},
            ),
            id="gateway_preview",
        ),
        pytest.param(
            {"stream_path": "load_balancer", "domain": "llm.example.com"},
            Expected(
                may_invoke={("chat", "allUsers"), ("models", "allUsers")},
                also_enabled={"compute"},
                ingress="ALLOW_INTERNAL_AND_GCLB",
                hops={"chat": 2, "models": 2},
            ),
            id="load_balancer",
        ),
        pytest.param(
            {"stream_path": "iam", "invokers": [TEAM]},
            Expected(
                may_invoke={("chat", TEAM), ("models", TEAM)},
                also_enabled=set(),
                ingress="ALLOW_ALL",
                hops={"chat": 1, "models": 1},
            ),
            id="iam",
        ),
    ],
)
def test_who_may_call_what(
    tf: Terraform, root: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], expected: Expected
) -> None:
    planned = terraform.resources(tf.plan(root, project_id=PROJECT, region="europe-west1", **variables))
    assert invokers(planned) == expected.may_invoke
    assert enabled(planned) == EVERYWHERE | expected.also_enabled
    deployed = functions(planned)
    assert {name: service["ingress_settings"] for name, service in deployed.items()} == dict.fromkeys(deployed, expected.ingress)
    assert {name: trusted_hops(service, monkeypatch) for name, service in deployed.items()} == expected.hops


def trusted_hops(service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """Load what a function is told as the function does."""
    monkeypatch.setenv("CHROMAGENT_CONFIG_JSON", service["environment_variables"]["CHROMAGENT_CONFIG_JSON"])
    settings = config.load(registry.OPTIONS)
    assert settings.client_keys == f"projects/{PROJECT}/secrets/chromagent-client-keys/versions/latest"
    return settings.rate_limit.trusted_hops


def test_each_identity_has_the_least_rights_and_no_value_is_in_the_state(tf: Terraform, root: Path) -> None:
    plan = tf.plan(
        root, project_id=PROJECT, region="europe-west1", provider_keys=["gemini"], rotation_days=90, redis={"memory_gb": 2}
    )
    planned = terraform.resources(plan)
    assert {(grant["member"], grant["role"]) for grant in own(planned, "google_project_iam_member")} == {
        (FUNCTION, f"projects/{PROJECT}/roles/chromagent_functions"),
        (BUILD, "roles/artifactregistry.writer"),
        (BUILD, "roles/logging.logWriter"),
        (BUILD, "roles/storage.objectViewer"),
    }
    [role] = own(planned, "google_project_iam_custom_role")
    assert role["permissions"] == ["aiplatform.cachedContents.get", "aiplatform.endpoints.predict"]
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


def test_where_bootstrap_has_made_the_identities_nothing_is_granted_on_the_project(tf: Terraform, root: Path) -> None:
    plan = tf.plan(root, project_id=PROJECT, region="europe-west1", create_identities="false")
    planned = terraform.resources(plan)
    for kind in ("google_service_account", "google_project_iam_member", "google_project_iam_custom_role"):
        assert own(planned, kind) == [], kind
    assert invokers(planned) == {("chat", "allUsers"), ("chat", GATEWAY), ("models", GATEWAY)}
    assert {service["service_account_email"] for service in functions(planned).values()} == {
        FUNCTION.removeprefix("serviceAccount:")
    }
    [build] = {values["build_config"][0]["service_account"] for values in own(planned, "google_cloudfunctions2_function")}
    assert build == f"projects/{PROJECT}/serviceAccounts/{BUILD.removeprefix('serviceAccount:')}"


def test_the_api_is_enabled_as_a_service_only_once_it_has_a_config(tf: Terraform, root: Path) -> None:
    plan = tf.plan(root, project_id=PROJECT, region="europe-west1")
    gateway = plan["configuration"]["root_module"]["module_calls"]["gateway"]["module"]["resources"]
    consumer = next(resource for resource in gateway if resource["address"] == "google_project_service.consumer")
    assert consumer["depends_on"] == ["google_api_gateway_api_config.this"]
