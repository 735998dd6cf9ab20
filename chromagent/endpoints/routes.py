"""Path and method → endpoint. Hides the spellings of a path: with and without `/v1`, with and without a trailing slash."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from chromagent.endpoints.asgi import Reply, Request
from chromagent.endpoints.request_line import Outcome
from chromagent.errors import MethodNotAllowed, ResourceNotFound

Endpoint: TypeAlias = Callable[[Request, Reply, Outcome], Awaitable[None]]
"""Answers a request, and notes what the log shall say of it."""
NamedEndpoint: TypeAlias = Callable[[Request, Reply, Outcome, str], Awaitable[None]]
"""An endpoint for one named thing: the rest of the path is its name."""

MOST_METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")


class RouteTable:
    """The routes of an app: exact paths such as `/models`, and prefixes such as `/models/` whose rest is a name."""

    def __init__(
        self, exact: Mapping[str, Mapping[str, Endpoint]], named: Mapping[str, Mapping[str, NamedEndpoint]] | None = None
    ) -> None:
        self._exact = exact
        self._named = named or {}

    def find(self, method: str, path: str, reply: Reply) -> Endpoint:
        """Return the endpoint. Raises `ResourceNotFound`, or `MethodNotAllowed` after noting `Allow` on the reply."""
        choices = self._choices(path)
        if not choices:
            raise ResourceNotFound(f"Unknown request URL: {method} {path}")
        if method not in choices:
            reply.headers["allow"] = ", ".join((*choices, "OPTIONS"))
            raise MethodNotAllowed(f"{path} does not accept {method}.")
        return choices[method]

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods of a path, for preflights; of an unknown path all that there are."""
        choices = self._choices(path)
        return (*choices, "OPTIONS") if choices else MOST_METHODS

    def _choices(self, path: str) -> Mapping[str, Endpoint]:
        path = path.rstrip("/")
        if path == "/v1" or path.startswith("/v1/"):
            path = path[3:]
        if (exact := self._exact.get(path)) is not None:
            return exact
        for prefix, methods in self._named.items():
            if path.startswith(prefix) and (name := path[len(prefix) :]):
                return {method: _bind(endpoint, name) for method, endpoint in methods.items()}
        return {}


def _bind(endpoint: NamedEndpoint, name: str) -> Endpoint:
    return lambda request, reply, outcome: endpoint(request, reply, outcome, name)
