"""The metrics, the dashboard and the alerts of terraform/modules/signals, held against lines that the app really writes."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from chromagent.app import create_app
from chromagent.config import Settings
from chromagent.policy.authentication import create_key
from tests.support import answers
from tests.support.apps import CLAUDE, chat, settings
from tests.support.cloud_logging import Entry, entry, extract, field, matches, paths
from tests.support.processes import ROOT
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer

MODULES = ROOT / "terraform" / "modules"
VARIABLES = {
    "name": "chromagent",
    "functions": {"chat": "chat-completions", "models": "models"},
    "max_instances": 20,
    "alerts": {
        "error_ratio": 0.05,
        "first_chunk_p95_seconds": 10,
        "rate_limited_per_minute": 60,
        "instances_ratio": 0.8,
        "fewest_requests": 20,
        "window_minutes": 10,
    },
}

# As cloud.google.com/monitoring/api/metrics_gcp_p_z lists them under run.googleapis.com, with "h" for a distribution.
PLATFORM = {
    "run_googleapis_com:request_count": "",
    "run_googleapis_com:container_instance_count": "",
    "run_googleapis_com:container_billable_instance_time": "",
    "run_googleapis_com:container_max_request_concurrencies": "h",
    "run_googleapis_com:container_memory_utilizations": "h",
    "run_googleapis_com:container_startup_latencies": "h",
}
PLATFORM_LABELS = {"service_name", "state", "response_code_class", "monitored_resource", "le"}


# --- what the app writes --------------------------------------------------------------------------------------------------------


def written(
    upstream: Scripted, *bodies: dict[str, Any], configured: Settings | None = None, then: Scripted | None = None, **headers: str
):
    """The entries of some requests to one app."""
    log = io.StringIO()

    async def send() -> None:
        app: Any = create_app(configured or settings(), transport=ScriptedUpstream(upstream, *([then] if then else [])))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
            for body in bodies:
                await http.post("/v1/chat/completions", json=body, headers=headers)

    with contextlib.redirect_stderr(log):
        anyio.run(send)
    return [entry(json.loads(line), "chat-completions") for line in log.getvalue().splitlines()]


def thoughtful() -> Scripted:
    usage = {
        "promptTokenCount": 9,
        "cachedContentTokenCount": 6,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 15,
    }
    return json_answer(answers.gemini_document() | {"usageMetadata": usage})


@pytest.fixture(scope="module")
def entries() -> Mapping[str, Entry]:
    away = settings(rate_limit={"per_key": "5/minute", "storage": "redis://127.0.0.1:1/0"})
    broken = settings(allow_anonymous=False, client_keys="env:PATH")
    with_key = {"authorization": f"Bearer {create_key()}"}
    keyless = settings({"auth": "api_key", "api_key": "env:CHROMAGENT_TEST_NO_SUCH_VARIABLE"})
    return {
        "an answer": written(answers.gemini(), chat())[-1],
        "a thoughtful answer": written(thoughtful(), chat())[-1],
        "a stream": written(answers.claude_stream("a", "b"), chat(CLAUDE, stream=True))[-1],
        "an answer from the cache": written(answers.gemini(), chat(), chat(), configured=settings(cache={"enabled": True}))[-1],
        "an answer at the second attempt": written(answers.google_error(503, "UNAVAILABLE"), chat(), then=answers.gemini())[-1],
        "something weaker": written(answers.claude(), chat(CLAUDE, temperature=1.5))[-1],
        "an error upstream": written(answers.google_error(500, "INTERNAL"), chat(), configured=settings(max_retries=0))[-1],
        "one request too many": written(answers.gemini(), chat(), chat(), configured=settings(rate_limit={"per_key": "1/minute"}))[
            -1
        ],
        "a limiter that is away": written(answers.gemini(), chat(), configured=away)[0],
        "client keys that are no document": written(answers.gemini(), chat(), configured=broken, **with_key)[0],
        "a secret that is not there": written(answers.gemini(), chat(), configured=keyless)[0],
    }


# --- what Terraform renders -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The outputs of the part without a provider."""
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform on this machine (https://developer.hashicorp.com/terraform/install)")
    folder = tmp_path_factory.mktemp("signals")
    shutil.copytree(MODULES / "signals", folder, dirs_exist_ok=True)
    (folder / "given.auto.tfvars.json").write_text(json.dumps(VARIABLES))
    run_terraform(folder, terraform, "init", "-input=false")
    run_terraform(folder, terraform, "apply", "-input=false", "-auto-approve")
    return {key: output["value"] for key, output in json.loads(run_terraform(folder, terraform, "output", "-json")).items()}


def run_terraform(folder: Path, *command: str) -> str:
    environment = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def metrics(rendered: Any) -> Any:
    return rendered["metrics"]


@pytest.fixture(scope="module")
def queries(rendered: Any) -> list[str]:
    """Every PromQL query of the dashboard and the alerts."""
    charts = [tile["widget"].get("xyChart", {"dataSets": []}) for tile in rendered["dashboard"]["mosaicLayout"]["tiles"]]
    shown = [data["timeSeriesQuery"]["prometheusQuery"] for chart in charts for data in chart["dataSets"]]
    return shown + [alert["query"] for alert in rendered["alerts"].values()]


# --- metrics --------------------------------------------------------------------------------------------------------------------

GEMINI_ANSWER = {"backend": "vertex-gemini", "upstream_location": "global", "caller": "anonymous"}
NO_BACKEND = {"backend": "", "upstream_location": "", "caller": "anonymous"}
COUNTED: list[tuple[str, str, dict[str, Any], Any]] = [
    ("requests", "an answer", {**GEMINI_ANSWER, "status": 200, "stream": "false", "cache": ""}, None),
    ("requests", "a stream", {**GEMINI_ANSWER, "backend": "vertex-anthropic", "status": 200, "stream": "true", "cache": ""}, None),
    ("requests", "an answer from the cache", {**NO_BACKEND, "status": 200, "stream": "false", "cache": "hit"}, None),
    ("requests", "an error upstream", {**GEMINI_ANSWER, "status": 500, "stream": "false", "cache": ""}, None),
    (
        "errors",
        "an error upstream",
        {"status": 500, "code": "upstream_error", "caller": "anonymous", "backend": "vertex-gemini"},
        None,
    ),
    ("errors", "one request too many", {"status": 429, "code": "rate_limit_exceeded", "caller": "anonymous", "backend": ""}, None),
    ("retries", "an answer at the second attempt", {"backend": "vertex-gemini", "upstream_location": "global"}, None),
    ("downgrades", "something weaker", {"backend": "vertex-anthropic", "caller": "anonymous"}, None),
    ("secret_failures", "a secret that is not there", {}, None),
    ("secret_failures", "client keys that are no document", {}, None),
    ("limiter_failures", "a limiter that is away", {}, None),
    ("input_tokens", "an answer", {"model": "gemini-3.8-flash", "caller": "anonymous"}, 3),
    ("input_tokens", "a thoughtful answer", {"model": "gemini-3.8-flash", "caller": "anonymous"}, 9),
    ("cached_tokens", "a thoughtful answer", {"model": "gemini-3.8-flash", "caller": "anonymous"}, 6),
    ("output_tokens", "a thoughtful answer", {"model": "gemini-3.8-flash", "caller": "anonymous"}, 6),
    ("output_tokens", "a stream", {"model": "claude-sonnet-4-6", "caller": "anonymous"}, 2),
    ("reasoning_tokens", "a thoughtful answer", {"model": "gemini-3.8-flash", "caller": "anonymous"}, 4),
]


@pytest.mark.parametrize(("metric", "which", "labels", "value"), COUNTED)
def test_a_metric_counts_its_line_with_its_labels(
    metrics: Any, entries: Mapping[str, Entry], metric: str, which: str, labels: dict[str, Any], value: Any
) -> None:
    found = entries[which]
    assert matches(found, metrics[metric]["filter"])
    assert {label: extract(found, extractor) for label, extractor in metrics[metric]["extractors"].items()} == labels
    assert (extract(found, metrics[metric]["value"]) if metrics[metric]["value"] else None) == value


@pytest.mark.parametrize(
    ("metric", "which"), [("duration", "an answer"), ("duration", "a stream"), ("time_to_first_chunk", "a stream")]
)
def test_a_time_is_taken_in_seconds(metrics: Any, entries: Mapping[str, Entry], metric: str, which: str) -> None:
    assert matches(entries[which], metrics[metric]["filter"])
    assert 0 < extract(entries[which], metrics[metric]["value"]) < 30


@pytest.mark.parametrize(
    ("metric", "which"),
    [
        ("requests", "a secret that is not there"),
        ("errors", "an answer"),
        ("retries", "an answer"),
        ("downgrades", "an answer"),
        ("duration", "an error upstream"),
        ("duration", "an answer from the cache"),
        ("time_to_first_chunk", "an answer"),
        ("input_tokens", "an error upstream"),
        ("input_tokens", "an answer from the cache"),
        ("output_tokens", "an answer from the cache"),
        ("cached_tokens", "an answer"),
        ("reasoning_tokens", "an answer"),
        ("secret_failures", "an answer"),
        ("limiter_failures", "an answer"),
    ],
)
def test_a_metric_leaves_other_lines_alone(metrics: Any, entries: Mapping[str, Entry], metric: str, which: str) -> None:
    assert not matches(entries[which], metrics[metric]["filter"])


def test_every_metric_was_held_against_a_line(metrics: Any) -> None:
    assert set(metrics) == {metric for metric, *_ in COUNTED} | {"duration", "time_to_first_chunk"}


def test_every_path_is_one_that_some_line_has(metrics: Any, entries: Mapping[str, Entry]) -> None:
    texts = [
        text for metric in metrics.values() for text in (metric["filter"], metric["value"], *metric["extractors"].values()) if text
    ]
    named = {path for text in texts for path in paths(text)}
    assert {path for path in named if all(field(found, path) is None for found in entries.values())} == set()
    assert len(named) > 15


def test_every_message_is_one_that_the_code_writes(metrics: Any) -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "chromagent").rglob("*.py"))
    terms = [
        term for metric in metrics.values() for term in metric["filter"].split(" AND ") if term.startswith("jsonPayload.message")
    ]
    messages = {message for term in terms for message in re.findall(r'"([^"]+)"', term)}
    assert len(messages) == 6
    assert [message for message in messages if f'"{message}' not in code] == []


def test_lines_of_other_services_are_not_counted(metrics: Any, entries: Mapping[str, Entry]) -> None:
    foreign = {**entries["an answer"], "resource": {"type": "cloud_run_revision", "labels": {"service_name": "shop"}}}
    assert not any(matches(foreign, metric["filter"]) for metric in metrics.values())


def test_no_label_is_what_a_client_made_up(metrics: Any) -> None:
    labels = {extractor for metric in metrics.values() for extractor in metric["extractors"].values()}
    assert not any("request.model" in extractor or "requestUrl" in extractor or "userAgent" in extractor for extractor in labels)


# --- dashboard and alerts -------------------------------------------------------------------------------------------------------


def series(metrics: Any) -> dict[str, set[str]]:
    """Every PromQL name there is, with its labels."""
    ours: dict[str, set[str]] = {}
    for metric in metrics.values():
        name = "logging_googleapis_com:user_" + re.sub(r"[^A-Za-z0-9]", "_", metric["name"])
        suffixes = ("_bucket", "_sum", "_count") if metric["value_type"] == "DISTRIBUTION" else ("",)
        ours |= {name + suffix: set(metric["extractors"]) | {"monitored_resource", "le"} for suffix in suffixes}
    for name, kind in PLATFORM.items():
        ours |= {name + suffix: PLATFORM_LABELS for suffix in (("_bucket", "_sum", "_count") if kind else ("",))}
    return ours


def test_every_metric_in_a_query_exists(metrics: Any, queries: list[str]) -> None:
    known = series(metrics)
    named = {name for query in queries for name in re.findall(r"\w+_googleapis_com:\w+", query)}
    assert named - set(known) == set()
    assert len(named) > 15


def test_every_selector_names_labels_of_its_metric_and_the_kind_of_resource(metrics: Any, queries: list[str]) -> None:
    known = series(metrics)
    selectors = [found for query in queries for found in re.findall(r"(\w+_googleapis_com:\w+)(\{[^}]*\})?", query)]
    for name, selector in selectors:
        labels = set(re.findall(r"(\w+)=", selector))
        assert labels <= known[name], name
        assert "monitored_resource" in labels, name


def test_every_grouping_is_by_a_label_of_the_metric(metrics: Any, queries: list[str]) -> None:
    known = series(metrics)
    groupings = [found for query in queries for found in re.findall(r"by \(([\w, ]+)\) \(.*?(\w+_googleapis_com:\w+)", query)]
    assert len(groupings) > 15
    for labels, name in groupings:
        assert set(labels.split(", ")) <= known[name], (labels, name)


def test_every_metric_is_looked_at(metrics: Any, queries: list[str]) -> None:
    text = "\n".join(queries)
    assert [key for key in metrics if f"user_chromagent_{key}" not in text] == []


def test_tiles_fill_the_width_and_do_not_overlap(rendered: Any) -> None:
    layout = rendered["dashboard"]["mosaicLayout"]
    cells = [
        (x, y)
        for tile in layout["tiles"]
        for x in range(tile.get("xPos", 0), tile.get("xPos", 0) + tile["width"])
        for y in range(tile.get("yPos", 0), tile.get("yPos", 0) + tile["height"])
    ]
    assert len(cells) == len(set(cells))
    assert len(cells) == layout["columns"] * (max(y for _, y in cells) + 1)


def test_no_zero_and_no_empty_text_is_in_the_dashboard(rendered: Any) -> None:
    """The API leaves them out of its answer, and every later plan would show a change."""
    assert re.search(r': (0|""|false|null)[,}]', json.dumps(rendered["dashboard"])) is None


def test_the_uptime_check_looks_for_what_health_answers() -> None:
    wanted = re.search(r'content = "(.+)"\n', (MODULES / "observability" / "uptime.tf").read_text())
    assert wanted

    async def ask() -> str:
        app: Any = create_app(settings(), transport=ScriptedUpstream(answers.gemini()))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
            return (await http.get("/health")).text

    assert wanted[1].replace('\\"', '"') in anyio.run(ask)
