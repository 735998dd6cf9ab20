"""The simulation as an ASGI program: paths, the pace of streams, and failures on request.

Paths: wire-gemini §1.3, wire-anthropic §1.1 and §1.5, after any prefix, for any project and location.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.local.vertex import claude_rules, claude_wire, gemini_rules, gemini_wire, scenarios
from chromagent.local.vertex.families import claude_family, gemini_family
from chromagent.local.vertex.refusals import Refused, as_anthropic, as_google
from chromagent.local.vertex.scenarios import Scenario
from chromagent.local.vertex.shapes import member

_PATH: Final = re.compile(
    r".*/(?P<version>v1beta1|v1beta|v1)/(?:projects/(?P<project>[^/]+)/locations/[^/]+/)?"
    r"(?:publishers/(?P<publisher>google|anthropic)/)?(?P<kind>models|endpoints)/(?P<model>[^/:]+):(?P<action>\w+)"
)
_STATUSES: Final = {
    "400": "The request is not valid (simulated).",
    "401": "Request had invalid authentication credentials. Expected OAuth 2 access token.",
    "403": "Permission 'aiplatform.endpoints.predict' denied on resource (simulated).",
    "404": "Publisher Model was not found or your project does not have access to it (simulated).",
    "408": "The request timed out (simulated).",
    "409": "The operation was aborted (simulated).",
    "413": "The request is too large (simulated).",
    "429": "Resource exhausted. Please try again later (simulated).",
    "500": "An internal error has occurred (simulated).",
    "503": "The service is currently unavailable (simulated).",
    "504": "Deadline expired before operation could complete (simulated).",
    "529": "Overloaded (simulated)",
}
_AFTER_WORDS: Final = 4
_MOST_REMEMBERED: Final = 10_000


@dataclass
class Stats:
    """What happened so far."""

    requests: int = 0
    open_streams: int = 0
    cancelled: int = 0


class Simulation:
    """One simulated Vertex AI."""

    def __init__(self, words_per_second: float, clock: Callable[[], float]) -> None:
        self.stats = Stats()
        self._delay = 1 / words_per_second if words_per_second else 0.0
        self._clock = clock
        self._failed: dict[str, int] = {}
        self._cached: set[int] = set()

    async def report(self, _: Request) -> Response:
        """Tell what happened so far."""
        return JSONResponse(asdict(self.stats))

    async def serve(self, request: Request) -> Response:
        """Serve one call."""
        self.stats.requests += 1
        match = _PATH.fullmatch(request.url.path)
        content = await request.body()
        if match is None:
            missing = Refused("The requested URL was not found on this server.", status=404)
            return Response(codec.encode(as_google(missing)), 404, media_type="application/json")
        claude = match["publisher"] == "anthropic"
        try:
            _authenticate(request)
            body = _object(content)
            return self._serve_claude(request, match, body) if claude else self._serve_gemini(request, match, body)
        except Refused as refused:
            return _refuse(refused, claude=claude, stream=match["action"] == "streamGenerateContent")
        except (TypeError, AttributeError, KeyError, ValueError) as error:  # a member of another type than the schema says
            return _refuse(Refused(f"Invalid JSON payload received: {error!r}"), claude=claude, stream=False)

    def _serve_gemini(self, request: Request, match: re.Match[str], body: JsonObject) -> Response:
        model, action = match["model"], match["action"]
        family = gemini_family(model) if match["kind"] == "models" else gemini_family("gemini-2.5-flash")
        if family is None:
            raise Refused(
                f"Publisher Model `projects/{match['project']}/locations/x/publishers/google/models/{model}` was not found.",
                status=404,
            )
        if action == "countTokens":
            return _json({"totalTokens": gemini_wire.count_tokens(body)})
        if action not in ("generateContent", "streamGenerateContent"):
            raise Refused("Unknown method.", status=404)
        gemini_rules.check(
            body, family, version=match["version"], developer=match["publisher"] is None and match["kind"] == "models"
        )
        prompt = gemini_wire.read(body, family)
        scenario = scenarios.find(prompt.text)
        self._fail(scenario, body, model)
        _refuse_gemini(scenario, body)
        read = gemini_wire.Request(body, model, family, prompt, scenario, self._clock())
        answer = gemini_wire.Answer(read)
        if page := _page(scenario):
            return page
        if action == "generateContent":
            return self._later(scenario, lambda: _json(answer.whole()))
        if request.query_params.get("alt") != "sse":
            return _json(list(answer.events()))
        error = as_google(Refused("The model is overloaded (simulated).", status=503))
        return self._stream(scenario, (_google_event(event) for event in answer.events()), _google_event(error))

    def _serve_claude(self, request: Request, match: re.Match[str], body: JsonObject) -> Response:
        model, action = match["model"], match["action"]
        if model == "count-tokens":
            return _json({"input_tokens": claude_wire.count_tokens(body)})
        family = claude_family(model)
        if family is None:
            raise Refused(
                f"Publisher Model `projects/{match['project']}/locations/x/publishers/anthropic/models/{model}` was not found.",
                status=404,
            )
        if action not in ("rawPredict", "streamRawPredict"):
            raise Refused("Unknown method.", status=404)
        betas = [name.strip() for name in request.headers.get("anthropic-beta", "").split(",") if name.strip()]
        claude_rules.check(body, family, betas=betas, stream=action == "streamRawPredict")
        prompt = claude_wire.read(body, family)
        scenario = scenarios.find(prompt.text)
        self._fail(scenario, body, model)
        _refuse_claude(scenario, body, betas)
        read = claude_wire.Request(body, model, family, prompt, scenario, self._cache(body, model))
        answer = claude_wire.Answer(read)
        if page := _page(scenario):
            return page
        if action == "rawPredict":
            return self._later(scenario, lambda: _json(answer.whole()))
        error = as_anthropic(Refused("Overloaded", status=529))
        return self._stream(scenario, (_claude_event(event) for event in answer.events()), _claude_event(error))

    def _cache(self, body: JsonObject, model: str) -> int:
        """Count prompt tokens that an earlier request with cache marks had as its beginning; remember this one's."""
        messages = body["messages"]
        known = 0
        for count in range(1, len(messages) + 1):
            if hash((model, codec.encode(claude_rules.prefix_of(body, count)))) in self._cached:
                known = claude_wire.count_tokens({**body, "messages": messages[:count]})
        if claude_rules.marks(body) and len(self._cached) < _MOST_REMEMBERED:
            self._cached.add(hash((model, codec.encode(claude_rules.prefix_of(body, len(messages))))))
        return known if claude_rules.marks(body) else 0

    def _fail(self, scenario: Scenario | None, body: JsonObject, model: str) -> None:
        """Refuse as the prompt asks, before anything is answered."""
        if scenario is None:
            return
        name = scenario.name
        if name == "429-daily":
            raise Refused("Quota exceeded for requests per day (simulated).", status=429, daily=True)
        if name in _STATUSES:
            wait = float(scenario.argument.removesuffix("s")) if name == "429" and scenario.argument else None
            raise Refused(_STATUSES[name], status=int(name), wait=wait)
        if name == "flaky":
            key = f"{model}{scenario.argument}{hash(codec.encode(body))}"
            self._failed[key] = self._failed.get(key, 0) + 1
            if self._failed[key] <= int(float(scenario.argument or 1)):
                raise Refused(_STATUSES["503"], status=503)
            del self._failed[key]

    def _later(self, scenario: Scenario | None, make: Callable[[], Response]) -> Response:
        """Answer whole, or never."""
        if scenario is not None and scenario.name in ("hang", "hang-mid-stream"):
            return StreamingResponse(_nothing(), media_type="application/json")
        if scenario is not None and scenario.name in (
            "overloaded-mid-stream",
            "cut-mid-stream",
            "garbage-mid-stream",
            "error-first",
        ):
            raise Refused(_STATUSES["503"], status=503)
        return make()

    def _stream(self, scenario: Scenario | None, events: Iterator[bytes], error: bytes) -> Response:
        return StreamingResponse(self._write(scenario or Scenario(""), events, error), media_type="text/event-stream")

    async def _write(self, scenario: Scenario, events: Iterator[bytes], error: bytes) -> AsyncIterator[bytes]:
        """Write events at the chosen pace, until the trouble that was asked for."""
        self.stats.open_streams += 1
        finished = False
        delay = float(scenario.argument.removesuffix("ms") or 200) / 1000 if scenario.name == "slow" else self._delay
        try:
            if scenario.name == "hang":
                await asyncio.sleep(3600)
            if scenario.name == "error-first":
                yield error
                finished = True
                return
            words = 0
            for event in events:
                words += b'"text"' in event and b'"thought":true' not in event
                if words > _AFTER_WORDS and scenario.name.endswith("-mid-stream"):
                    async for last in _trouble(scenario.name, error):
                        yield last
                    finished = True
                    return
                yield event
                if delay:
                    await asyncio.sleep(delay)
            finished = True
        finally:
            self.stats.open_streams -= 1
            self.stats.cancelled += not finished


async def _trouble(name: str, error: bytes) -> AsyncIterator[bytes]:
    if name == "overloaded-mid-stream":
        yield error
    elif name == "garbage-mid-stream":
        yield b"data: <<<\n\n"
    elif name == "hang-mid-stream":
        await asyncio.sleep(3600)


async def _nothing() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


def _refuse(refused: Refused, *, claude: bool, stream: bool) -> Response:
    """Write a refusal as its vendor does; Google's front has its own shape, in an array where a stream was asked for."""
    anthropic = claude and refused.status in (400, 413, 429, 500, 529)
    document = as_anthropic(refused) if anthropic else as_google(refused)
    headers = {"retry-after": str(int(refused.wait))} if anthropic and refused.wait is not None else {}
    status = 503 if refused.status == 529 and not claude else refused.status
    return Response(codec.encode([document] if stream else document), status, headers, "application/json")


def _refuse_gemini(scenario: Scenario | None, body: JsonObject) -> None:
    """Refuse what an old or a strict server would."""
    name = scenario.name if scenario is not None else ""
    encoded = codec.encode_text(body["contents"])
    if name == "ids-refused" and '"functionCall":' in encoded and '"id":' in encoded:
        raise Refused(
            "Invalid JSON payload received. Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field."
        )
    if name == "signature-refused" and '"thoughtSignature":' in encoded and "c2tpcF90aG91Z2h0" not in encoded:
        raise Refused("Corrupted thought signature.")
    level = member(member(body, "generationConfig"), "thinkingConfig").get("thinkingLevel")
    if name == "level-refused" and level not in (None, "LOW"):
        raise Refused(f"'{level.lower()}' is not a supported thinking level for this model. Allowed values are: low.")


def _refuse_claude(scenario: Scenario | None, body: JsonObject, betas: list[str]) -> None:
    name = scenario.name if scenario is not None else ""
    if name == "beta-refused" and betas:
        raise Refused(f"Unexpected value(s) `{betas[0]}` for the `anthropic-beta` header")
    if name == "structured-refused" and "format" in member(body, "output_config"):
        raise Refused("output_config.format: Extra inputs are not permitted")
    if name == "cache-control-refused" and "cache_control" in body:
        raise Refused("cache_control: Extra inputs are not permitted")
    if name == "signature-refused" and '"type":"thinking"' in codec.encode_text(body["messages"]):
        raise Refused("messages.1.content.0: Invalid `signature` in `thinking` block")


def _page(scenario: Scenario | None) -> Response | None:
    if scenario is None or scenario.name != "html":
        return None
    return Response("<html><body><h1>502 Bad Gateway</h1><p>simulated</p></body></html>", 502, media_type="text/html")


def _authenticate(request: Request) -> None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-goog-api-key", "")
    if token in ("", "expired"):
        raise Refused(_STATUSES["401"], status=401)


def _object(content: bytes) -> JsonObject:
    try:
        body = codec.decode(content)
    except codec.MalformedJson as error:
        raise Refused("Invalid JSON payload received.") from error
    if not isinstance(body, dict):
        raise Refused("Invalid JSON payload received. Root element must be a message.")
    return cast("JsonObject", body)


def _json(document: JsonValue) -> Response:
    return Response(codec.encode(document), media_type="application/json; charset=UTF-8")


def _google_event(document: JsonObject) -> bytes:
    return b"data: %b\r\n\r\n" % codec.encode(document)


def _claude_event(document: JsonObject) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (document["type"].encode(), codec.encode(document))


def create_app(*, words_per_second: float = 40.0, clock: Callable[[], float] = time.time) -> Starlette:
    """Build the program; 0 words a second means no delay. `app.state.simulation.stats` tells what happened."""
    simulation = Simulation(words_per_second, clock)
    routes = [
        Route("/_simulated/stats", simulation.report, methods=["GET"]),
        Route("/{path:path}", simulation.serve, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    app.state.simulation = simulation
    return app
