"""Failures on request: `simulate: <name> [argument]` in the last user text. The table is also the documentation's."""

import re
from typing import Final, NamedTuple


class Scenario(NamedTuple):
    """What was asked for."""

    name: str
    argument: str = ""


SCENARIOS: Final[dict[str, str]] = {
    "400": "the request is refused as invalid",
    "401": "the credential is refused",
    "403": "the identity may not use the model",
    "404": "the model does not exist",
    "408": "the upstream gave up waiting",
    "409": "a conflict",
    "413": "the request is too large",
    "429": "the quota is used up; an argument such as `12s` says when to come back",
    "429-daily": "a daily quota is used up (Gemini)",
    "500": "an internal error",
    "503": "the service is unavailable",
    "504": "the deadline passed",
    "529": "the service is overloaded (Claude)",
    "html": "a proxy answers 502 with a page",
    "safety": "the answer stops for safety after a few words (Gemini)",
    "recitation": "the answer stops for recitation (Gemini)",
    "blocked": "the prompt is blocked (Gemini)",
    "refusal": "the model declines",
    "malformed-call": "the model writes a malformed call (Gemini)",
    "empty": "the answer is empty",
    "error-first": "an error is the first event of a stream that began with 200",
    "overloaded-mid-stream": "an error comes after some words",
    "cut-mid-stream": "the connection ends after some words",
    "garbage-mid-stream": "an event is no JSON, after some words",
    "hang": "nothing comes at all",
    "hang-mid-stream": "nothing more comes after some words",
    "slow": "every word takes as many milliseconds as the argument says",
    "flaky": "the first calls, as many as the argument says, answer 503",
    "continuation": "the answer takes two requests (Gemini 4)",
    "pause_turn": "the answer pauses once (Claude)",
    "redacted": "thinking is redacted (Claude)",
    "signature-refused": "thinking that comes back is refused",
    "ids-refused": "ids of calls are refused, as by an old API version (Gemini)",
    "level-refused": "the thinking level is refused (Gemini)",
    "beta-refused": "a beta is refused (Claude)",
    "structured-refused": "the output format is refused (Claude)",
    "cache-control-refused": "the cache mark of the whole request is refused (Claude)",
}
_PATTERN: Final = re.compile(r"simulate:\s*([a-z0-9_-]+)(?:\s+([0-9.]+(?:ms|s)?))?")


def find(text: str) -> Scenario | None:
    """Find the scenario that a text asks for. An unknown name is none."""
    match = _PATTERN.search(text)
    if match is None or match[1] not in SCENARIOS:
        return None
    return Scenario(match[1], match[2] or "")
