"""What Terraform writes into the functions' environment, against the application that reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import schema

from chromagent import config
from chromagent.config import Backend, Cache, Cors, Log, RateLimit, RemoteMedia, Settings, Stream
from chromagent.providers import registry
from tests.support.terraform import TREE, Terraform

FIELDS = json.loads((TREE / "modules" / "settings" / "fields.json").read_text())
TYPED = {"backends", "rate_limit", "cors", "cache", "client_keys"}
NOT_DEPLOYED = {"port", "allow_anonymous"}
"""One's own machine's, and what would open a public address to everybody."""


def test_the_settings_that_terraform_takes_are_those_of_the_application() -> None:
    assert set(FIELDS["settings"]) | TYPED | NOT_DEPLOYED == set(Settings.__struct_fields__)
    assert not set(FIELDS["settings"]) & (TYPED | NOT_DEPLOYED)


@pytest.mark.parametrize(
    ("section", "model"),
    [("rate_limit", RateLimit), ("cors", Cors), ("cache", Cache), ("remote_media", RemoteMedia), ("stream", Stream), ("log", Log)],
)
def test_the_fields_of_each_section_are_those_of_the_application(section: str, model: Any) -> None:
    assert set(FIELDS[section]) == set(model.__struct_fields__)


def test_the_fields_of_a_backend_are_those_of_the_application() -> None:
    assert {*FIELDS["backend"], "options"} == set(Backend.__struct_fields__)


def test_the_switches_of_each_wire_format_and_their_kinds_are_those_of_the_application() -> None:
    schemas = {name: schema(options)["$defs"][options.__name__]["properties"] for name, options in registry.OPTIONS.items()}
    kinds = {
        name: {option: about["enum"] if "enum" in about else about.get("type", "object") for option, about in options.items()}
        for name, options in schemas.items()
    }
    assert kinds == {
        name: {option: sorted(kind) if isinstance(kind, list) else kind for option, kind in options.items()}
        for name, options in FIELDS["options"].items()
    }


def test_the_application_takes_the_document_that_terraform_writes(
    tf: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tf.init(tf.tree / "modules" / "settings")
    variables = {
        "client_keys": "projects/p/secrets/chromagent-client-keys/versions/latest",
        "provider_keys": {"gemini": "projects/p/secrets/chromagent-gemini/versions/latest"},
        "backends": {
            "vertex-gemini": {
                "auth": "api_key",
                "api_key": "gemini",
                "locations": ["eu", "global"],
                "model_mapping": {"fast": ["gemini-3.8-flash", "vertex-anthropic/claude-sonnet-4-6"]},
                "additional_headers": {"x-team": "a"},
                "allowed_resources": ["cachedContents"],
                "timeout": 30.5,
                "max_retries": 1,
            },
            "second": {"provider": "vertex-anthropic", "project": "other-project", "base_url": "https://proxy.example.com/vertex"},
        },
        "backend_options": {"vertex-gemini": {"stream_tool_args": True, "retry_empty": 2, "safety": {"fixed": True}}},
        "rate_limit": {"per_key": "600/minute;10 per 5 seconds", "weights": {"models": 0}, "when_away": "closed"},
        "redis_url": "redis://10.0.0.3:6379/0",
        "cors": {"origins": ["https://app.example.com"], "credentials": True},
        "cache": {"enabled": True, "ttl": 60, "max_bytes": 1048576},
        "settings": {"strict": True, "gcs_buckets": ["b"], "stream": {"keepalive": 5}, "log": {"level": "warning"}},
    }
    (tmp_path / "test.tfvars.json").write_text(json.dumps(variables))
    state = f"-state={tmp_path / 'state'}"
    tf.run(module, "apply", "-auto-approve", "-input=false", state, f"-var-file={tmp_path / 'test.tfvars.json'}")
    monkeypatch.setenv("CHROMAGENT_CONFIG_JSON", tf.run(module, "output", "-raw", state, "json"))
    settings = config.load(registry.OPTIONS)
    gemini = settings.backends["vertex-gemini"]
    assert (gemini.api_key, gemini.locations) == ("projects/p/secrets/chromagent-gemini/versions/latest", ("eu", "global"))
    assert gemini.model_mapping == {"fast": ("gemini-3.8-flash", "vertex-anthropic/claude-sonnet-4-6")}
    assert gemini.options == {"stream_tool_args": True, "retry_empty": 2, "safety": {"fixed": True}}
    assert gemini.allowed_resources == ("cachedContents",)
    assert settings.backends["second"].project == "other-project"
    assert (settings.rate_limit.storage, settings.rate_limit.trusted_hops) == ("redis://10.0.0.3:6379/0", 1)
    assert (settings.strict, settings.stream.keepalive, settings.cors.credentials) == (True, 5, True)
