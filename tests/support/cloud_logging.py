"""What Cloud Logging makes of a line on standard error, as far as the metrics of terraform/modules/signals need it.

Cloud Run's agent lifts some keys of a JSON line into the entry; the rest is `jsonPayload`. Filters and extractors name paths.
A comparison with a field that is absent or null is false, and its label is empty.
"""

import re
from typing import Any

LIFTED = ("severity", "time", "httpRequest", "logging.googleapis.com/trace", "logging.googleapis.com/spanId")
TERM = re.compile(r"(?P<negated>NOT )?(?P<path>[\w.]+)(?P<operator>>=|<=|=~|=|:|>|<)(?P<value>.+)")
EXTRACT = re.compile(r"EXTRACT\((?P<path>[\w.]+)\)")
REGEXP_EXTRACT = re.compile(r"REGEXP_EXTRACT\((?P<path>[\w.]+), \"(?P<pattern>.+)\"\)")

Entry = dict[str, Any]


def entry(line: dict[str, Any], service: str) -> Entry:
    """The log entry of a line that a service wrote."""
    payload = {key: value for key, value in line.items() if key not in LIFTED}
    resource = {"type": "cloud_run_revision", "labels": {"service_name": service}}
    return {"resource": resource, "jsonPayload": payload} | {key: line[key] for key in LIFTED if key in line}


def field(log_entry: Entry, path: str) -> Any:
    """The field at a path; None if it is not there."""
    found: Any = log_entry
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def paths(text: str) -> set[str]:
    """Every path that a filter or an extractor names."""
    if "EXTRACT(" in text:
        return {_read(EXTRACT, REGEXP_EXTRACT, text=text)["path"]}
    return {_read(TERM, text=term)["path"] for term in text.split(" AND ")}


def matches(log_entry: Entry, log_filter: str) -> bool:
    """Whether a filter of terms joined by AND lets the entry through."""
    return all(_holds(log_entry, _read(TERM, text=term)) for term in log_filter.split(" AND "))


def extract(log_entry: Entry, extractor: str) -> Any:
    """What an extractor takes out of an entry: a number as it is, anything else as text."""
    found = _read(EXTRACT, REGEXP_EXTRACT, text=extractor)
    value = field(log_entry, found["path"])
    if "pattern" in found.re.groupindex:
        taken = re.search(found["pattern"], value or "")
        return taken[1] if taken else ""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value


def _read(*forms: re.Pattern[str], text: str) -> re.Match[str]:
    for form in forms:
        if found := form.fullmatch(text):
            return found
    raise AssertionError(f"not understood: {text}")


def _holds(log_entry: Entry, term: re.Match[str]) -> bool:
    found = field(log_entry, term["path"])
    values = found if isinstance(found, list) else [] if found is None else [found]
    held = any(_compare(value, term["operator"], term["value"]) for value in values)
    return held != bool(term["negated"])


def _compare(value: Any, operator: str, wanted: str) -> bool:
    if operator in ("=", "=~", ":"):
        texts = re.findall(r'"([^"]*)"', wanted)
        assert texts, f"text is quoted: {wanted}"
        compare = {"=": lambda text: value == text, "=~": lambda text: re.search(text, value), ":": lambda text: text in value}
        return any(compare[operator](text) for text in texts)
    number = float(wanted)
    return {">=": value >= number, "<=": value <= number, ">": value > number, "<": value < number}[operator]
