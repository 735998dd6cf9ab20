"""Which pages of other origins may call (Fetch standard): what browsers are told, and what is refused by ourselves.

Browsers send "simple" requests, such as a POST of text/plain, without asking first, and only keep the answer from the page. Where
keys are needed, such a request has none. Where none are, it must be refused here.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from chromagent.errors import OriginNotAllowed

_EXPOSED: Final = ", ".join(
    (
        "x-request-id",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        *(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")),
        "x-chromagent-route",
        "x-chromagent-model",
        "x-chromagent-ignored",
        "x-chromagent-downgraded",
        "x-chromagent-workarounds",
        "x-chromagent-cache",
    )
)
_MAX_AGE: Final = "600"


class CorsRules:
    """The configured origins."""

    def __init__(self, origins: Sequence[str], *, credentials: bool) -> None:
        self._origins = frozenset(origins)
        self._credentials = credentials

    def headers(self, request_headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of any answer to a page of another origin; none where the origin is not allowed."""
        origin = request_headers.get("origin")
        if not self._origins:
            return {}
        if origin is None or not (origin in self._origins or "*" in self._origins):
            return {"vary": "origin"}
        found = {"access-control-allow-origin": origin, "access-control-expose-headers": _EXPOSED, "vary": "origin"}
        if self._credentials:
            found["access-control-allow-credentials"] = "true"
        return found

    def require_known_page(self, headers: Mapping[str, str]) -> None:
        """Refuse a request that a browser sends for a page of an origin that is neither ours nor listed.

        Browsers alone send these headers, and no page can change them: `Sec-Fetch-Site` says where the page came from, and older
        browsers send `Origin`, which is ours if it names the host that was asked. Raises `OriginNotAllowed`.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "")
        if site == "same-origin" or origin in self._origins or "*" in self._origins:
            return
        foreign = site in ("cross-site", "same-site")
        if origin is not None:
            foreign = foreign or origin.partition("://")[2].lower() != headers.get("host", "").lower()
        if foreign:
            raise OriginNotAllowed

    def preflight(self, request_headers: Mapping[str, str], methods: Sequence[str]) -> dict[str, str]:
        """Return what a browser wants to know before it sends the real request."""
        found = self.headers(request_headers)
        if "access-control-allow-origin" in found:
            found["access-control-allow-methods"] = ", ".join(methods)
            found["access-control-allow-headers"] = request_headers.get("access-control-request-headers", "*")
            found["access-control-max-age"] = _MAX_AGE
        return found
