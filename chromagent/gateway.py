"""The way of a request, top to bottom: which routes, in which order, until when. No HTTP, no JSON."""

import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import NamedTuple

from chromagent.codec import JsonObject
from chromagent.errors import GatewayError, ModelNotFound, UpstreamInvalidResponse, drop_tracebacks
from chromagent.policy.authentication import Caller
from chromagent.policy.routing import Cooldowns, Route, Router
from chromagent.providers.protocol import Ask, Exchange, Provider, Report
from chromagent.translators.protocol import Delta, Head


class Gateway:
    """Serves requests over the configured providers."""

    def __init__(self, router: Router, providers: Mapping[str, Provider]) -> None:
        self._router = router
        self._providers = providers
        self.cooldowns = Cooldowns(time.monotonic)

    def routes(self, ask: Ask, caller: Caller) -> Sequence[Route]:
        """Return the routes that may serve this request. Raises `ModelNotFound`."""
        model = ask.request["model"]
        if not self._router.allows(caller.models, model):
            raise ModelNotFound(f"The model '{model}' does not exist or you do not have access to it.")
        return self.cooldowns.order(self._router.routes(model))

    async def complete(self, ask: Ask, caller: Caller, report: Report) -> JsonObject:
        """Return OpenAI's completion. Raises the most useful `GatewayError` of those that the routes gave."""
        attempts = _Attempts(self.routes(ask, caller), self.cooldowns, report)
        for route in attempts:
            try:
                return await self.begin(ask, route, report).complete()
            except GatewayError as error:
                attempts.failed(route, error)
        raise AssertionError("the last route returns or raises")

    def stream(self, ask: Ask, caller: Caller, report: Report) -> "GatewayStream":
        """Return a stream; nothing is sent before it begins. Raises `ModelNotFound`."""
        return GatewayStream(self, ask, self.routes(ask, caller), report)

    def begin(self, ask: Ask, route: Route, report: Report) -> Exchange:
        """Begin one request on one route."""
        report.route = str(route)
        report.workarounds = []
        report.upstream_headers = {}
        return self._providers[route.backend].begin(ask, route.model, route.location, report)


class GatewayStream:
    """One streamed answer. `head`, `usage` and `upstream_model` belong to the route that answered, or was tried last."""

    def __init__(self, gateway: Gateway, ask: Ask, routes: Sequence[Route], report: Report) -> None:
        self._gateway = gateway
        self._ask = ask
        self._routes = routes
        self._report = report
        self._exchange: Exchange | None = None

    @property
    def head(self) -> Head:
        """What all chunks share; known once the first deltas came."""
        assert self._exchange is not None
        return self._exchange.head

    @property
    def usage(self) -> JsonObject | None:
        """OpenAI's usage object, as far as the upstream reported it; None before anything was asked."""
        return None if self._exchange is None else self._exchange.usage

    @property
    def upstream_model(self) -> str:
        """The model as the upstream spells it; empty if not told."""
        return "" if self._exchange is None else self._exchange.upstream_model

    async def begin(self) -> list[Delta]:
        """Return the first deltas. Raises the most useful `GatewayError` of those that the routes gave."""
        attempts = _Attempts(self._routes, self._gateway.cooldowns, self._report)
        for route in attempts:
            self._report.tokens += (self.usage or {}).get("total_tokens", 0)  # of the route that failed
            self._exchange = self._gateway.begin(self._ask, route, self._report)
            try:
                return await self._exchange.begin()
            except GatewayError as error:
                attempts.failed(route, error)
        raise AssertionError("the last route returns or raises")

    def read(self) -> Awaitable[list[Delta]]:
        """Return what came next, nothing at the end. Raises `GatewayError`; no other route is tried."""
        assert self._exchange is not None
        return self._exchange.read()

    async def close(self) -> None:
        """Let go of the upstream."""
        if self._exchange is not None:
            await self._exchange.close()


class _Attempts:
    """The routes of one request, one after the other. Only an error of the request itself ends the search early."""

    def __init__(self, routes: Sequence[Route], cooldowns: Cooldowns, report: Report) -> None:
        self._routes = routes
        self._cooldowns = cooldowns
        self._report = report
        self._failures: list[_Failure] = []
        self._failed_backends: set[str] = set()

    def __iter__(self) -> Iterator[Route]:
        return (route for route in self._routes if route.backend not in self._failed_backends)

    def failed(self, route: Route, error: GatewayError) -> None:
        """Note a failure. Raises the error where nobody else may serve the request, or if it was the last route: the most useful
        of all errors.
        """
        self._cooldowns.note(route, error)
        self._failures.append(_Failure(route, error, dict(self._report.upstream_headers)))
        if error.scope == "backend":
            self._failed_backends.add(route.backend)
        if _is_of_the_request(error):
            raise error
        remaining = self._routes[self._routes.index(route) + 1 :]
        if all(other.backend in self._failed_backends for other in remaining):
            raise self._most_useful()
        drop_tracebacks(error)

    def _most_useful(self) -> GatewayError:
        """Return an error that passes, with the shortest wait that any location asked for; else that of the preferred location. So
        a model that only a later location lacks is not reported as missing.
        """
        passing = [failure for failure in self._failures if failure.error.status == 429 or failure.error.status >= 500]
        passing = [failure for failure in passing if failure.error.should_retry is not False]
        found = passing[-1] if passing else self._failures[0]
        if passing:
            waits = [failure.error.retry_after for failure in passing if failure.error.retry_after is not None]
            found.error.retry_after = min(waits, default=None)
        self._report.route, self._report.upstream_headers = str(found.route), found.upstream_headers
        return found.error


class _Failure(NamedTuple):
    """One route that did not serve the request."""

    route: Route
    error: GatewayError
    upstream_headers: dict[str, str]


def _is_of_the_request(error: GatewayError) -> bool:
    """Say whether no other route would do better. A model that ended its answer in a failure did so because of the request."""
    if isinstance(error, UpstreamInvalidResponse):
        return not error.retryable and error.code != UpstreamInvalidResponse.default_code
    return error.scope == "request"
