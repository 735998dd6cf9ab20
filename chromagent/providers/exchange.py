"""One request on its way to one model at one location. Hides sending, reading streams, repairs and repeated tries.

What is said and what an answer means is the translator's; which location comes next is the gateway's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from chromagent import codec
from chromagent.codec import JsonObject
from chromagent.errors import (
    GatewayError,
    UpstreamAuthenticationFailed,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    drop_tracebacks,
)
from chromagent.providers import copies
from chromagent.providers.answer_stream import AnswerStream
from chromagent.providers.protocol import Ask, Backend, DeltaSource, Format, Report
from chromagent.translators.protocol import Call, Delta, Head, Media, StreamTranslator, Translation, Translator
from chromagent.upstream.client import Reply, UpstreamClient, UpstreamRequest
from chromagent.upstream.engine import Answer

if TYPE_CHECKING:
    from chromagent.upstream.remote_files import MemoryShare

T = TypeVar("T")

MAX_WORKAROUNDS: Final = 3
"""Of one request: those that its own complaints lead to."""
LARGEST_ERROR: Final = 256 * 1024


class Platform(Protocol):
    """What an exchange needs of its provider."""

    backend: Backend
    translator: Translator
    wire: Format
    client: UpstreamClient

    async def project(self) -> str:
        """Return the project to bill. Raises `Misconfigured`."""
        ...

    def call(self, ask: Ask, model: str, location: str, project: str) -> Call:
        """Put together what the translator may know."""
        ...

    async def fetch(self, urls: Mapping[str, str], share: "MemoryShare | None") -> Mapping[str, Media]:
        """Fetch remote files, given with their places in the request, whose memory is counted. Raises `GatewayError`."""
        ...

    def address(self, location: str) -> str:
        """Return scheme, host and path prefix."""
        ...

    async def headers(self, *, stream: bool) -> dict[str, str]:
        """Return the headers that every call carries, credentials included."""
        ...

    def credentials_refused(self, sent: Mapping[str, str]) -> None:
        """Report that the upstream answered 401 to a request with these headers."""
        ...

    def remember(self, location: str, model: str, workaround: str, caller_id: str) -> None:
        """Note that a workaround helped one caller with a model at a location."""
        ...


class Attempt(Struct, frozen=True):
    """A translated request, ready to be sent as often as need be: every try sends the same bytes."""

    call: Call
    translation: Translation
    content: bytes


class VertexExchange:
    """See `protocol.Exchange`."""

    def __init__(self, platform: Platform, ask: Ask, model: str, location: str, report: Report) -> None:
        self._platform = platform
        self._ask = ask
        self._model = model
        self._location = location
        self._report = report
        self._now = asyncio.get_running_loop().time
        self._streamed = bool(ask.request.get("stream"))
        self._deadline = min(ask.deadline, self._now() + platform.backend.timeout)
        self._tries = 0
        self._complaints: dict[str, str] = {}
        """What the upstream said, by the workaround that was tried for it."""
        self._unhelpful: set[str] = set()
        """Workarounds after which the upstream said the same again."""
        self._credentials_renewed = False
        self._sent_headers: Mapping[str, str] = {}
        self._streams: list[StreamTranslator] = []
        self._source: DeltaSource | None = None

    @property
    def head(self) -> Head:
        """What all chunks share: that of the first copy."""
        return self._streams[0].head

    @property
    def usage(self) -> JsonObject | None:
        """What the upstream reported so far, of all copies; None before anything was asked of it."""
        return copies.add([stream.usage for stream in self._streams]) if self._streams else None

    @property
    def upstream_model(self) -> str:
        """The model as the upstream spells it; empty if not told."""
        return self._streams[0].upstream_model if self._streams else ""

    async def complete(self) -> JsonObject:
        """Return OpenAI's completion."""
        attempt = await self._prepare()
        while True:
            try:
                completion = await copies.complete(attempt.translation.copies, lambda: self._complete_once(attempt))  # noqa: B023 - awaited at once
            except GatewayError as error:
                attempt = await self._recover(attempt, error)
                drop_tracebacks(error)
            else:
                self._remember_workarounds(attempt)
                return completion

    async def begin(self) -> list[Delta]:
        """Return the first deltas."""
        attempt = await self._prepare()
        while True:
            self._report.tokens += (self.usage or {}).get("total_tokens", 0)  # of streams that are thrown away now
            self._streams = [attempt.translation.stream() for _ in range(attempt.translation.copies)]
            self._source = copies.interleave([self._open_stream(attempt, stream) for stream in self._streams])
            try:
                deltas = await self._source.read()
            except GatewayError as error:
                await self.close()
                attempt = await self._recover(attempt, error)
                drop_tracebacks(error)
            else:
                self._remember_workarounds(attempt)
                return deltas

    def read(self) -> Awaitable[list[Delta]]:
        """Return what came next."""
        assert self._source is not None
        return self._source.read()

    async def close(self) -> None:
        """Let go of the connections."""
        source, self._source = self._source, None  # it leads back here: together they would be cyclic garbage
        if source is not None:
            await source.close()

    async def _prepare(self) -> Attempt:
        platform = self._platform
        project = await platform.project()
        model = platform.translator.resolve(self._model, project=project, location=self._location)
        call = platform.call(self._ask, model, self._location, project)
        if urls := await self._work(partial(platform.translator.remote_media, call)):
            call = replace(call, media=await platform.fetch(urls, self._ask.share))
        return await self._translate(call)

    async def _work(self, work: Callable[[], T], *, large: bool = False) -> T:
        """Do something whose time grows with the request: in a thread where there is much of it."""
        if self._ask.in_thread is not None and (large or self._ask.large):
            return await self._ask.in_thread(work)
        return work()

    async def _translate(self, call: Call) -> Attempt:
        return await self._work(partial(self._translate_now, call), large=bool(call.media))

    def _translate_now(self, call: Call) -> Attempt:
        translation = self._platform.translator.request(call)
        self._report.ignored = translation.ignored
        self._report.downgraded = translation.downgraded
        self._report.workarounds = translation.workarounds
        return Attempt(call, translation, self._encode(translation.body))

    def _encode(self, body: JsonObject) -> bytes:
        return codec.encode(self._platform.wire.body(body, stream=self._streamed))

    async def _recover(self, attempt: Attempt, error: GatewayError) -> Attempt:
        """Return what to try next, after whatever wait it takes; or raise the error."""
        if isinstance(error, UpstreamAuthenticationFailed) and not self._credentials_renewed:
            self._credentials_renewed = True
            self._platform.credentials_refused(self._sent_headers)
            return attempt
        complaint = error.upstream_message
        self._unhelpful |= {name for name, earlier in self._complaints.items() if earlier and earlier == complaint}
        if len(self._complaints) < MAX_WORKAROUNDS and (workaround := attempt.translation.repair(error)) is not None:
            self._complaints[workaround] = complaint
            return await self._translate(replace(attempt.call, repairs=attempt.call.repairs | {workaround}))
        if isinstance(error, UpstreamInvalidResponse) and error.retryable:
            return await self._translate(replace(attempt.call, attempt=attempt.call.attempt + 1))
        delay = self._ask.patience.wait_after(error, attempt=self._tries, retries=self._platform.backend.max_retries)
        if delay is None or self._now() + delay > self._deadline:
            raise error
        self._tries += 1
        await asyncio.sleep(delay)
        return attempt

    def _remember_workarounds(self, attempt: Attempt) -> None:
        """Remember what helped, now that the request was answered."""
        for workaround in self._complaints.keys() - self._unhelpful:
            self._platform.remember(self._location, attempt.call.model, workaround, self._ask.caller or "")

    async def _request(self, attempt: Attempt, content: bytes) -> UpstreamRequest:
        self._report.attempts += 1
        remaining = self._deadline - self._now()
        if remaining <= 0:
            raise UpstreamTimeout
        platform, call = self._platform, attempt.call
        path = platform.wire.path(call.model, call.project, self._location, stream=self._streamed)
        headers = await platform.headers(stream=self._streamed)
        headers |= attempt.translation.headers
        self._sent_headers = headers
        idle = min(remaining, platform.wire.idle_timeout) if self._streamed else remaining
        return UpstreamRequest(platform.address(self._location) + path, headers, content, idle)

    async def _complete_once(self, attempt: Attempt) -> JsonObject:
        translation = attempt.translation
        bodies: list[JsonObject] = []
        try:
            bodies.append(await self._post(attempt, attempt.content))
            while (body := translation.continuation(bodies)) is not None:
                bodies.append(await self._post(attempt, self._encode(body)))
            answer = translation.response(bodies)
        except BaseException:  # the answer is thrown away, or its reader left
            self._report.tokens += translation.tokens(bodies)
            raise
        self._report.tokens += answer.completion["usage"]["total_tokens"]
        self._report.upstream_model = answer.upstream_model
        return answer.completion

    async def _post(self, attempt: Attempt, content: bytes) -> JsonObject:
        reply = await self._send(await self._request(attempt, content))
        self._note(attempt, reply)
        if reply.status >= 300:
            raise _read_status(attempt, reply)
        try:
            body = codec.decode(reply.content)
        except codec.MalformedJson as error:
            raise UpstreamInvalidResponse from error
        if isinstance(body, list) and len(cast("list[object]", body)) == 1:
            body = cast("list[object]", body)[0]  # Google wraps some answers of one in an array
        if not isinstance(body, dict):
            raise UpstreamInvalidResponse
        return cast("JsonObject", body)

    async def _send(self, request: UpstreamRequest) -> Reply:
        """Post. A backend that has less time than the whole request ends an answer that drips: never silent, never done."""
        if self._deadline >= self._ask.deadline:
            return await self._platform.client.post(request)
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._platform.client.post(request)
        except TimeoutError as error:
            raise UpstreamTimeout from error

    def _open_stream(self, attempt: Attempt, stream: StreamTranslator) -> AnswerStream:
        async def send(body: JsonObject | None) -> Answer:
            content = attempt.content if body is None else self._encode(body)
            answer = await self._platform.client.send(await self._request(attempt, content))
            self._note(attempt, answer)
            if answer.status < 300:
                return answer
            try:
                raise _read_status(attempt, Reply(answer.status, answer.headers, await _read_error(answer)))
            finally:
                await answer.close()

        return AnswerStream(stream, send, self._deadline if self._deadline < self._ask.deadline else None)

    def _note(self, attempt: Attempt, reply: Reply | Answer) -> None:
        if request_id := attempt.call.redact.identifier(reply.headers.get("request-id", "")):
            self._report.upstream_headers["x-upstream-request-id"] = request_id


def _read_status(attempt: Attempt, reply: Reply) -> GatewayError:
    if reply.status < 400:  # a redirect is never followed: it would carry our token to another place
        return UpstreamInvalidResponse()
    return attempt.translation.error(reply.status, reply.headers, reply.content)


async def _read_error(answer: Answer) -> bytes:
    content = b""
    while len(content) <= LARGEST_ERROR and (read := await answer.read()):
        content += read
    return content
