"""The OpenAPI document of the deployment, rendered and read. Hides the template's spelling and where Google's extensions stand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml

import chromagent

TEMPLATE: Final = Path(chromagent.__file__).parent.parent / "terraform" / "modules" / "spec" / "openapi.yaml.tftpl"
DEFAULT_DEADLINE: Final = 15.0
"""Seconds that API Gateway gives a backend that names no deadline (gcp-platform §1.2)."""
_HOLE: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as a gateway enforces it."""

    method: str
    template: str
    """The path as the document spells it."""
    pattern: re.Pattern[str]
    address: str
    deadline: float
    needs_key: bool
    metric: str | None
    per_minute: int | None
    """Requests a minute of one consumer project, over all operations that share the metric."""
    cost: int
    """As how many requests one counts."""


@dataclass(frozen=True, slots=True)
class Document:
    """The operations of the document."""

    operations: Sequence[Operation]
    text: str
    """The document as it was rendered, for who reads it in another way."""

    def match(self, path: str) -> list[Operation]:
        """Return the operations of a path, with or without a slash at its end, in the document's order."""
        return [operation for operation in self.operations if operation.pattern.fullmatch(path)]


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill the template as Terraform's `templatefile` does plain interpolations. Raises `KeyError` for a name without value."""
    return _HOLE.sub(lambda hole: str(values[hole[1]]), template)


def load(values: Mapping[str, object], template: Path = TEMPLATE) -> Document:
    """Render the deployment's own template and read it; `values` are those of `write`."""
    return parse(write(values, template))


def write(values: Mapping[str, object], template: Path = TEMPLATE) -> str:
    """Render the deployment's own template, to the same text as `terraform/modules/spec` does.

    `values`: `{chat,models}_address`, `_deadline` (seconds), `_per_minute`, and `security`, which is `[{api_key: []}]` where quotas
    are on and `[]` where they are off.
    """
    return render(template.read_text(encoding="utf-8"), {**_admissions(values["security"]), **values})


def _admissions(security: object) -> dict[str, str]:
    """Write what a route with a quota has more than one without."""
    metrics = {"chat": "chat-requests", "models": "model-requests"}
    if security == "[]":
        return {f"{route}_admission": "" for route in metrics}
    return {
        f"{route}_admission": f"security: {security}\n      x-google-quota: {{metricCosts: {{{metric}: 1}}}}"
        for route, metric in metrics.items()
    }


def parse(text: str) -> Document:
    """Read a rendered document (OpenAPI 2.0 with Google's extensions)."""
    document = cast("dict[str, Any]", yaml.safe_load(text))
    limits = _limits(document)
    operations = [
        _operation(document, path, method, operation, limits)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return Document(operations, text)


def _limits(document: Mapping[str, Any]) -> dict[str, int]:
    quota = document.get("x-google-management", {}).get("quota", {})
    return {limit["metric"]: int(limit["values"]["STANDARD"]) for limit in quota.get("limits", [])}


def _operation(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any], limits: Mapping[str, int]
) -> Operation:
    backend = operation["x-google-backend"]
    costs = operation.get("x-google-quota", {}).get("metricCosts", {})
    metric = next(iter(costs), None)
    return Operation(
        method=method.upper(),
        template=path,
        pattern=_pattern(path),
        address=backend["address"],
        deadline=float(backend.get("deadline", DEFAULT_DEADLINE)),
        needs_key=bool(operation.get("security", document.get("security", []))),
        metric=metric,
        per_minute=None if metric is None else limits.get(metric),
        cost=1 if metric is None else int(costs[metric]),
    )


def _pattern(path: str) -> re.Pattern[str]:
    """Turn a path template into a pattern, as ESPv2 does: `{name}` is a segment, `{name=**}` the rest; a slash may follow."""
    literal = re.escape(path)
    rest = re.sub(r"\\\{\w+=\\\*\\\*\\\}", "(?:.*)", literal)
    return re.compile(re.sub(r"\\\{\w+\\\}", "(?:[^/]+)", rest) + "/?")
