"""`POST /v1/chat/completions`: a body becomes a request, an answer becomes JSON or events. No provider is known here."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, cast

from msgspec import Struct

from chromagent.codec import JsonObject, encode
from chromagent.endpoints.asgi import EVENT_STREAM, JSON, ClientLeft, Reply, Request
from chromagent.endpoints.draining import Drain
from chromagent.endpoints.heartbeat import Heartbeat
from chromagent.endpoints.render import ChunkWriter, header_list
from chromagent.endpoints.request_line import CHAT, Outcome
from chromagent.endpoints.work import Work
from chromagent.endpoints.worker_threads import LARGE, WorkerThreads
from chromagent.errors import InternalError, InvalidRequest
from chromagent.gateway import Gateway, GatewayStream
from chromagent.policy.admission import Admission, Door
from chromagent.policy.authentication import ANONYMOUS
from chromagent.policy.request_memory import RequestMemory, RequestShare
from chromagent.policy.response_cache import Kept, ResponseCache, key_of
from chromagent.providers.protocol import Ask
from chromagent.schema import chat
from chromagent.schema.chat import ChatCompletionRequest, TokenEstimate
from chromagent.upstream.retry import LARGEST_TOTAL, Patience

_STREAM_HEADERS: Final = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
_LONGEST_HEADER: Final = 500
"""Letters; names of models come from clients and upstreams."""
_OF_ROUTE: Final = frozenset({"x-chromagent-route", "x-chromagent-model", "x-upstream-request-id"})
"""Headers that say who answered."""
_JSON_TYPES: Final = ("application/json", "text/plain", "")


class ChatSettings(Struct, frozen=True):
    """The part of the configuration that this endpoint obeys; seconds and bytes."""

    max_body_bytes: int
    max_request_memory: int
    timeout: float
    prime_timeout: float
    keepalive: float
    gcs_buckets: frozenset[str] = frozenset()


class ChatCompletions:
    """The endpoint."""

    def __init__(
        self,
        gateway: Gateway,
        door: Door,
        settings: ChatSettings,
        drain: Drain,
        *,
        cache: ResponseCache | None = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._gateway = gateway
        self._door = door
        self._settings = settings
        self._cache = cache
        self._drain = drain
        self._prepare = prepare
        """Begins what takes a while and every request will need, beside the checks of the request itself."""
        self._memory = RequestMemory(settings.max_request_memory)
        self._threads = WorkerThreads()
        self.open_streams = 0

    async def __call__(self, request: Request, reply: Reply, outcome: Outcome) -> None:
        """Serve one request. Raises `GatewayError` or `ClientLeft`."""
        outcome.operation = CHAT
        self._prepare()
        admission = outcome.admission = await self._door.admit(request.headers, request.peer, "chat")
        reply.headers |= admission.headers
        _check_content_type(request.headers.get("content-type", ""))
        with self._door.running(admission), self._memory.open(admission.share_holder) as share:
            await self._serve(request, reply, outcome, admission, share)

    async def _serve(self, request: Request, reply: Reply, outcome: Outcome, admission: Admission, share: RequestShare) -> None:
        timeout = min(self._settings.timeout, _client_timeout(request.headers))
        deadline = asyncio.get_running_loop().time() + timeout
        body = await request.body(self._settings.max_body_bytes, deadline, share.add)
        with self._drain.work(request.receive, deadline) as work:
            share.add_body(body)
            large = len(body) >= LARGE
            counts_tokens = self._door.counts_tokens(admission)
            read = partial(_read, body, counts_tokens=counts_tokens)
            del body  # what the thread reads is dropped with it
            outcome.request, estimate = await self._threads.run(share, read) if large else read()
            del read
            if estimate is not None:
                await self._door.reserve(admission, estimate)
                reply.headers |= admission.headers
                reply.settle_with(lambda: self._settle(reply, outcome))
            ask = self._ask(request, outcome.request, admission, deadline, share, large=large)
            if ask.request.get("stream"):
                await self._stream(ask, reply, outcome, work)
            elif self._cache is None:
                await reply.whole(200, encode(await self._complete(ask, reply, outcome)), JSON)
            else:
                await self._complete_cached(self._cache, ask, request, reply, outcome)

    async def _settle(self, reply: Reply, outcome: Outcome) -> None:
        """Take what the request has cost from the caller's tokens."""
        reservation = outcome.admission.reservation if outcome.admission else None
        if reservation is None:  # the storage is unavailable
            return
        tokens = outcome.tokens_used(prompt=reservation.prompt, estimate=reservation.tokens)
        reply.headers |= await self._door.settle(reservation, tokens, complete=outcome.whole)

    def _ask(
        self,
        request: Request,
        body: ChatCompletionRequest,
        admission: Admission,
        deadline: float,
        share: RequestShare,
        *,
        large: bool,
    ) -> Ask:
        remaining = deadline - asyncio.get_running_loop().time()
        patience = Patience(min(LARGEST_TOTAL, remaining), lambda: self._drain.started, jitter=random.random())  # noqa: S311 - spreads load, keeps no secret
        return Ask(
            request=body,
            id=secrets.token_hex(12),
            created=int(time.time()),
            patience=patience,
            deadline=deadline,
            caller=None if admission.caller is ANONYMOUS else admission.caller.id,
            betas=_betas(request.headers.get("anthropic-beta")),
            gcs_buckets=self._settings.gcs_buckets | admission.caller.gcs_buckets,
            share=share,
            in_thread=partial(self._threads.run, share),
            large=large,
            allowed_resources=admission.caller.allowed_resources,
        )

    async def _complete_cached(self, cache: ResponseCache, ask: Ask, request: Request, reply: Reply, outcome: Outcome) -> None:
        """Answer from the cache if the client lets us, else keep the answer if it lets us."""
        assert outcome.caller is not None
        self._gateway.routes(ask, outcome.caller)  # whoever may no longer use a model gets nothing kept of it either
        wishes = request.headers.get("cache-control", "").lower()
        make_key = partial(key_of, outcome.caller.id, cast("JsonObject", ask.request), ask.betas)
        key = await ask.in_thread(make_key) if ask.large and ask.in_thread else make_key()
        kept = None if "no-cache" in wishes or "no-store" in wishes else cache.get(key)
        outcome.cache = "miss" if kept is None else "hit"
        reply.headers["x-chromagent-cache"] = outcome.cache
        if kept is None:
            completion = await self._complete(ask, reply, outcome)
            kept = Kept(encode(completion), _report_headers(outcome))
            if "no-store" not in wishes:
                cache.put(key, completion, kept)
        else:
            reply.headers |= kept.headers
        await reply.whole(200, kept.body, JSON)

    async def _complete(self, ask: Ask, reply: Reply, outcome: Outcome) -> JsonObject:
        assert outcome.caller is not None
        try:
            completion = await self._gateway.complete(ask, outcome.caller, outcome.report)
        finally:
            reply.headers |= _report_headers(outcome)
        outcome.read_completion(completion)
        return completion

    async def _stream(self, ask: Ask, reply: Reply, outcome: Outcome, work: Work) -> None:
        assert outcome.caller is not None
        stream = self._gateway.stream(ask, outcome.caller, outcome.report)
        options: JsonObject = ask.request.get("stream_options", {})
        self.open_streams += 1
        heartbeat = Heartbeat(
            lambda: _start_stream(reply, outcome),
            reply.write,
            lambda: work.end(ClientLeft()),
            first=self._settings.prime_timeout,
            every=self._settings.keepalive,
        )
        try:
            async with heartbeat:
                await _send_chunks(stream, heartbeat, reply, outcome, include_usage=bool(options.get("include_usage")))
        finally:
            self.open_streams -= 1
            if not reply.started:
                reply.headers |= _report_headers(outcome)


async def _send_chunks(stream: GatewayStream, heartbeat: Heartbeat, reply: Reply, outcome: Outcome, *, include_usage: bool) -> None:
    try:
        deltas = await stream.begin()
        if not deltas:
            raise InternalError
        writer = ChunkWriter(stream.head, include_usage=include_usage)
        outcome.route_answered = True
        await heartbeat.start()
        outcome.stopwatch.mark_first_chunk()
        while deltas:
            outcome.read_deltas(deltas)
            heartbeat.beat()
            await reply.write(writer.write(deltas))
            deltas = await stream.read()
        outcome.whole = True
    finally:
        outcome.usage = outcome.streamed_usage = stream.usage
        outcome.report.upstream_model = stream.upstream_model
        await stream.close()
    await heartbeat.stop()
    await reply.write_in_time(writer.finish(outcome.usage), last=True)


def _read(body: bytes, *, counts_tokens: bool) -> tuple[ChatCompletionRequest, TokenEstimate | None]:
    """Return the request, and the tokens that it is estimated to use, if anybody counts them."""
    request = chat.parse(body)
    return request, chat.estimate_tokens(request, len(body)) if counts_tokens else None


def _check_content_type(header: str) -> None:
    if header == JSON:  # as nearly always
        return
    content_type = header.partition(";")[0].strip().lower()
    if content_type not in _JSON_TYPES:
        raise InvalidRequest(f"Send the body as application/json, not as {content_type}.", code="invalid_content_type")


async def _start_stream(reply: Reply, outcome: Outcome) -> None:
    headers = _report_headers(outcome)
    if not outcome.route_answered:  # another route may still have to answer
        headers = {name: value for name, value in headers.items() if name not in _OF_ROUTE}
    reply.headers |= _STREAM_HEADERS | headers
    await reply.start(200, EVENT_STREAM)


def _betas(header: str | None) -> tuple[str, ...]:
    return () if header is None else tuple(beta for part in header.split(",") if (beta := part.strip()))


def _client_timeout(headers: Mapping[str, str]) -> float:
    """Return how long the official client itself waits, in seconds; it tells in a header of its own."""
    if "x-stainless-timeout" not in headers:
        return float("inf")
    try:
        seconds = float(headers["x-stainless-timeout"])
    except ValueError:
        return float("inf")
    return seconds if seconds > 0 else float("inf")


def _report_headers(outcome: Outcome) -> dict[str, str]:
    report = outcome.report
    found = {"x-chromagent-route": report.route, "x-chromagent-model": report.upstream_model, **report.upstream_headers}
    if report.ignored:
        found["x-chromagent-ignored"] = header_list(report.ignored)
    if report.downgraded:
        found["x-chromagent-downgraded"] = header_list(report.downgraded)
    if report.workarounds:
        found["x-chromagent-workarounds"] = header_list([name.replace(",", "+") for name in report.workarounds], allowed="_-.:*+")
    return {name: value[:_LONGEST_HEADER] for name, value in found.items() if value}
