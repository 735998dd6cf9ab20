import json
from pathlib import Path

import pytest
from msgspec import Struct

from chromagent import config
from chromagent.config import ConfigurationError, Settings


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    schema_mode: str = "json_schema"
    retries: int = 1


OPTIONS: dict[str, type[Struct]] = {"vertex-gemini": Options, "vertex-anthropic": Options}


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(config.environment()):
        if name.startswith("CHROMAGENT_") and not name.startswith("CHROMAGENT_TEST_"):
            monkeypatch.delenv(name)


def load(monkeypatch: pytest.MonkeyPatch, document: object = None, **variables: str) -> Settings:
    if document is not None:
        monkeypatch.setenv("CHROMAGENT_CONFIG_JSON", json.dumps(document))
    for name, value in variables.items():
        monkeypatch.setenv(f"CHROMAGENT_{name}", value)
    return config.load(OPTIONS)


def faults(monkeypatch: pytest.MonkeyPatch, document: object = None, **variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(monkeypatch, document, **variables)
    return caught.value.faults


def test_nothing_configured_is_two_backends_and_no_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    assert {name: backend.provider for name, backend in settings.backends.items()} == {
        "vertex-gemini": "vertex-gemini",
        "vertex-anthropic": "vertex-anthropic",
    }
    assert (settings.client_keys, settings.allow_anonymous) == (None, False)
    assert (settings.port, settings.timeout, settings.max_retries, settings.max_body_bytes) == (8080, 600, 2, 10_485_760)
    assert (settings.stream.prime_timeout, settings.stream.keepalive, settings.stream.error_done) == (10, 15, False)


def test_a_variable_beats_the_document_and_the_document_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "chromagent.toml"
    file.write_text('port = 1\ntimeout = 1\nmax_retries = 1\n[backends.vertex-gemini]\nlocations = ["eu"]\nproject = "of-file"\n')
    document = {"port": 2, "timeout": 2, "backends": {"vertex-gemini": {"project": "of-document"}}}
    settings = load(monkeypatch, document, PORT="3", CONFIG=str(file))
    assert (settings.port, settings.timeout, settings.max_retries) == (3, 2, 1)
    assert settings.backends["vertex-gemini"].locations == ("eu",)
    assert settings.backends["vertex-gemini"].project == "of-document"


def test_underscores_in_variables_stand_for_the_dashes_of_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"backends": {"vertex-gemini": {"project": "of-document", "locations": ["eu", "us"]}}}
    settings = load(monkeypatch, document, BACKENDS__VERTEX_GEMINI__PROJECT="of-variable")
    assert settings.backends["vertex-gemini"].project == "of-variable"
    assert settings.backends["vertex-gemini"].locations == ("eu", "us")


def test_the_spelling_of_a_backends_name_does_not_change_whose_word_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "chromagent.toml"
    file.write_text('[backends.vertex_gemini]\nlocations = ["us"]\nproject = "of-file"\n')
    settings = load(monkeypatch, {"backends": {"vertex-gemini": {"locations": ["eu"]}}}, CONFIG=str(file))
    assert settings.backends["vertex-gemini"].locations == ("eu",)
    assert settings.backends["vertex-gemini"].project == "of-file"


def test_variables_that_hold_lists_and_sections_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, GCS_BUCKETS='["a", "b"]', CORS='{"origins": ["*"]}', BACKENDS__VERTEX_GEMINI__LOCATIONS='["eu"]')
    assert (settings.gcs_buckets, settings.cors.origins) == (("a", "b"), ("*",))
    assert settings.backends["vertex-gemini"].locations == ("eu",)


def test_a_variable_within_a_section_beats_that_of_the_section(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, STREAM='{"keepalive": 5, "prime_timeout": 6}', STREAM__KEEPALIVE="7")
    assert (settings.stream.keepalive, settings.stream.prime_timeout) == (7, 6)


def test_a_variable_spells_booleans_numbers_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, STRICT="true", CACHE__ENABLED="1", TIMEOUT="2.5", BACKENDS__VERTEX_GEMINI__OPTIONS__RETRIES="3")
    assert (settings.strict, settings.cache.enabled, settings.timeout) == (True, True, 2.5)
    assert settings.backends["vertex-gemini"].options == {"retries": "3"}


def test_a_variable_of_broken_json_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(monkeypatch, GCS_BUCKETS='["a"')[0].startswith("CHROMAGENT_GCS_BUCKETS: cannot be read")


def test_what_cannot_be_read_hides_neither_the_rest_of_it_nor_a_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faults(monkeypatch, GCS_BUCKETS='["a"', CORS="{", CONFIG_JSON="[]", ALLOW_ANONYMUS="true")
    assert [fault.partition(":")[0] for fault in found] == [
        "CHROMAGENT_ALLOW_ANONYMUS",
        "CHROMAGENT_CONFIG_JSON",
        "CHROMAGENT_CORS",
        "CHROMAGENT_GCS_BUCKETS",
    ]


def test_a_backend_of_ones_own_names_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {"backends": {"claude-eu": {"provider": "vertex-anthropic", "locations": ["europe-west1"]}}})
    assert settings.backends["claude-eu"].provider == "vertex-anthropic"
    assert set(settings.backends) == {"vertex-gemini", "vertex-anthropic", "claude-eu"}


def test_all_faults_are_listed_at_once_each_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "port": 99999,
        "backends": {"vertex-gemini": {"locations": ["EU!"], "colour": "red"}},
        "rate_limit": {"per_key": "often"},
        "client_keys": "sk-cg-the-key-itself",
    }
    found = faults(monkeypatch, document, STREAM__KEEPALIVE="-1")
    assert {fault.partition(":")[0] for fault in found} == {
        "port",
        "backends.vertex-gemini.locations.0",
        "backends.vertex-gemini.colour",
        "rate_limit.per_key",
        "client_keys",
        "stream.keepalive",
    }


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"default_backend": "nowhere"}, "configuration"),
        ({"backends": {"x": {"provider": "vertex-gemini", "auth": "api_key"}}}, "backends.x"),
        ({"backends": {"x": {}}}, "backends.x.provider"),
        ({"backends": {"vertex-gemini": {"base_url": "ftp://h"}}}, "backends.vertex-gemini.base_url"),
        ({"backends": {"vertex-gemini": {"options": {"nonsense": 1}}}}, "backends.vertex-gemini.options.nonsense"),
        ({"backends": {"vertex-gemini": {"options": {"retries": "many"}}}}, "backends.vertex-gemini.options.retries"),
        ({"backends": {"vertex-gemini": {"project": "a/b"}}}, "backends.vertex-gemini.project"),
        ({"cors": {"origins": ["*"], "credentials": True}}, "cors"),
        ({"cors": {"origins": ["example.com"]}}, "cors.origins.0"),
        ({"max_body_bytes": 33_554_433}, "max_body_bytes"),
        ({"rate_limit": {"storage": "sqlite://x"}}, "rate_limit.storage"),
        ({"rate_limit": {"weights": {"other": 1}}}, "rate_limit.weights.other"),
        ({"backends": {"vertex-gemini": {"base_url": "http://h:80:90"}}}, "backends.vertex-gemini.base_url"),
        ({"rate_limit": {"per_key": "0/minute"}}, "rate_limit.per_key"),
        ({"rate_limit": {"tokens_per_key": "100 per 0 seconds"}}, "rate_limit.tokens_per_key"),
        ({"backends": {"vertex-gemini": {"additional_headers": {"x-a": "é"}}}}, "backends.vertex-gemini.additional_headers.x-a"),
        (
            {"backends": {"vertex-gemini": {"additional_headers": {"x-a": "1\r\nx-b: 2"}}}},
            "backends.vertex-gemini.additional_headers.x-a",
        ),
        ({"backends": {"vertex-gemini": {"model_mapping": {"fast": []}}}}, "backends.vertex-gemini"),
    ],
)
def test_a_wrong_value_is_a_fault(monkeypatch: pytest.MonkeyPatch, document: object, path: str) -> None:
    assert [fault.partition(":")[0] for fault in faults(monkeypatch, document)] == [path]


def test_an_origin_is_written_as_browsers_send_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, {"cors": {"origins": ["https://App.Example.com"]}}).cors.origins == ("https://app.example.com",)


def test_a_misspelt_variable_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(monkeypatch, ALLOW_ANONYMUS="true") == ["CHROMAGENT_ALLOW_ANONYMUS: no such setting"]


@pytest.mark.parametrize("text", ["{", "[]", "5"])
def test_a_document_that_is_none_is_a_fault(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CHROMAGENT_CONFIG_JSON", text)
    with pytest.raises(ConfigurationError, match="CHROMAGENT_CONFIG_JSON"):
        config.load(OPTIONS)


def test_a_file_that_is_not_there_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "none.toml: cannot be read" in faults(monkeypatch, CONFIG=str(tmp_path / "none.toml"))[0]


def test_settings_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    with pytest.raises(AttributeError, match="immutable"):
        settings.port = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_variable_that_is_no_boolean_is_told_what_would_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(monkeypatch, STRICT="yes") == ["strict: expected true or false"]
