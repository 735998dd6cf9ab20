"""The way of a request, top to bottom: which routes, in which order, until when. No HTTP, no JSON."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from chromagent.codec import JsonObject
from chromagent.errors import GatewayError, ModelNotFound
from chromagent.policy.authentication import Caller
from chromagent.policy.routing import Route, Router
from chromagent.providers.protocol import Ask, Exchange, Provider, Report
from chromagent.translators.protocol import Delta, Head

_TRY_ELSEWHERE: Final = frozenset({429, 500, 502, 503, 504})


class Gateway:
    """Serves requests over the configured providers."""

    def __init__(self, router: Router, providers: Mapping[str, Provider]) -> None:
        self._router = router
        self._providers = providers

    def routes(self, ask: Ask, caller: Caller) -> list[Route]:
        """Return the routes that may serve this request. Raises `ModelNotFound`."""
        model = ask.request["model"]
        if not caller.may_use(model.strip()):
            raise ModelNotFound(f"The model '{model}' does not exist or you do not have access to it.")
        return self._router.routes(model)

    async def complete(self, ask: Ask, caller: Caller, report: Report) -> JsonObject:
        """Return OpenAI's completion. Raises `GatewayError`: that of the last route tried."""
        routes = self.routes(ask, caller)
        for last, route in _marked(routes):
            try:
                return await self._begin(ask, route, report).complete()
            except GatewayError as error:
                _give_up(error, last=last)
        raise AssertionError("the last route returns or raises")

    def stream(self, ask: Ask, caller: Caller, report: Report) -> "GatewayStream":
        """Begin a stream; nothing is sent before its deltas are asked for. Raises `ModelNotFound`."""
        return GatewayStream(self, ask, self.routes(ask, caller), report)

    def begin(self, ask: Ask, route: Route, report: Report) -> Exchange:
        """Begin one request on one route."""
        return self._begin(ask, route, report)

    def _begin(self, ask: Ask, route: Route, report: Report) -> Exchange:
        report.route = str(route)
        report.repairs.clear()
        return self._providers[route.backend].begin(ask, route.model, route.location, report)


class GatewayStream:
    """One streamed answer. `head` and `usage` belong to the route that answered."""

    def __init__(self, gateway: Gateway, ask: Ask, routes: list[Route], report: Report) -> None:
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

    async def deltas(self) -> AsyncGenerator[list[Delta]]:
        """Give deltas as they come. Raises `GatewayError`; after the first deltas no other route is tried."""
        for last, route in _marked(self._routes):
            sent = False
            self._exchange = self._gateway.begin(self._ask, route, self._report)
            async with aclosing(self._exchange.stream()) as source:
                try:
                    async for deltas in source:
                        sent = True
                        yield deltas
                except GatewayError as error:
                    _give_up(error, last=last or sent)
                else:
                    return


def new_deadline(seconds: float) -> float:
    """Return the moment on the event loop's clock that lies so many seconds ahead."""
    return asyncio.get_running_loop().time() + seconds


def _marked(routes: list[Route]) -> list[tuple[bool, Route]]:
    return [(index == len(routes) - 1, route) for index, route in enumerate(routes)]


def _give_up(error: GatewayError, *, last: bool) -> None:
    """Raise the error unless another place may do better."""
    if last or not error.retryable or error.status not in _TRY_ELSEWHERE:
        raise error
