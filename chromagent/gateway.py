"""The way of a request, top to bottom: which routes, in which order, until when. No HTTP, no JSON."""

import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Final

from chromagent.codec import JsonObject
from chromagent.errors import GatewayError, ModelNotFound, drop_tracebacks
from chromagent.policy.authentication import Caller
from chromagent.policy.routing import Rests, Route, Router
from chromagent.providers.protocol import Ask, Exchange, Provider, Report
from chromagent.translators.protocol import Delta, Head

_TRY_ELSEWHERE: Final = frozenset({429, 500, 502, 503, 504})


class Gateway:
    """Serves requests over the configured providers."""

    def __init__(self, router: Router, providers: Mapping[str, Provider]) -> None:
        self._router = router
        self._providers = providers
        self.rests = Rests(time.monotonic)

    def routes(self, ask: Ask, caller: Caller) -> Sequence[Route]:
        """Return the routes that may serve this request. Raises `ModelNotFound`."""
        model = ask.request["model"]
        if not self._router.allows(caller.models, model):
            raise ModelNotFound(f"The model '{model}' does not exist or you do not have access to it.")
        return self.rests.order(self._router.routes(model))

    async def complete(self, ask: Ask, caller: Caller, report: Report) -> JsonObject:
        """Return OpenAI's completion. Raises `GatewayError`: that of the last route tried."""
        attempts = _Attempts(self.routes(ask, caller), self.rests)
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
        """Return the first deltas. Raises `GatewayError`: that of the last route tried."""
        attempts = _Attempts(self._routes, self._gateway.rests)
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
    """The routes of one request, one after the other; raises the error after which no other place may do better."""

    def __init__(self, routes: Sequence[Route], rests: Rests) -> None:
        self._routes = routes
        self._rests = rests
        self._waits: list[float] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def failed(self, route: Route, error: GatewayError) -> None:
        """Note a failure. Where it is final, raise it, with the shortest wait that any place asked for."""
        self._rests.note(route, error)
        if error.retry_after is not None:
            self._waits.append(error.retry_after)
        if not error.retryable or error.status not in _TRY_ELSEWHERE:
            raise error
        if route is self._routes[-1]:
            error.retry_after = min(self._waits, default=None)
            raise error
        drop_tracebacks(error)
