"""The upstream acts with the gateway's rights. What a client may name there is on a list; everything else never gets there."""

import json
from typing import Any

import httpx
import pytest

from chromagent import config
from chromagent.local import keys
from chromagent.schema import documents
from chromagent.schema.documents import FaultyDocumentError
from chromagent.translators.gemini.options import GeminiOptions
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, post, settings
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.anyio

PARENT = "projects/p/locations/global"
CORPUS = f"{PARENT}/ragCorpora/1"
STORE = f"{PARENT}/collections/default_collection/dataStores/s"
ENGINE = f"{PARENT}/collections/default_collection/engines/e"
TEMPLATE = f"{PARENT}/templates/t"


async def ask(
    body: dict[str, Any], upstream: ScriptedUpstream | None = None, **configured: Any
) -> tuple[httpx.Response, list[Any]]:
    """Send one request; return the answer and the bodies that the upstream got. `configured` is the Gemini backend's."""
    default = answers.claude() if body["model"] == CLAUDE else answers.gemini()
    upstream = upstream or ScriptedUpstream(default)
    reply = await post(upstream, body, settings(configured))
    return reply, [sent.body for sent in upstream.sent]


async def refused(body: dict[str, Any], **configured: Any) -> str:
    """Send one request that must not reach the upstream; return the `param` of its 400."""
    reply, sent = await ask(body, **configured)
    assert (reply.status_code, sent) == (400, []), reply.text
    return str(reply.json()["error"]["param"])


# ---- Google's tools

NAMES_SOMETHING: dict[str, tuple[dict[str, Any], str]] = {
    "a corpus": (
        {"retrieval": {"vertexRagStore": {"ragResources": [{"ragCorpus": CORPUS}]}}},
        ".vertexRagStore.ragResources[0].ragCorpus",
    ),
    "a corpus in snake_case": (
        {"retrieval": {"vertex_rag_store": {"rag_resources": [{"rag_corpus": CORPUS}]}}},
        ".vertex_rag_store.rag_resources[0].rag_corpus",
    ),
    "a corpus, the old way": ({"retrieval": {"vertexRagStore": {"ragCorpora": [CORPUS]}}}, ".vertexRagStore.ragCorpora[0]"),
    "a store that remembers": ({"retrieval": {"vertexRagStore": {"storeContext": True}}}, ".vertexRagStore.storeContext"),
    "a ranker": (
        {"retrieval": {"vertexRagStore": {"ragRetrievalConfig": {"ranking": {"rankService": {"modelName": "x"}}}}}},
        ".vertexRagStore.ragRetrievalConfig.ranking",
    ),
    "a data store": ({"retrieval": {"vertexAiSearch": {"datastore": STORE}}}, ".vertexAiSearch.datastore"),
    "an engine": ({"retrieval": {"vertexAiSearch": {"engine": ENGINE}}}, ".vertexAiSearch.engine"),
    "a data store of several": (
        {"retrieval": {"vertexAiSearch": {"dataStoreSpecs": [{"dataStore": STORE}]}}},
        ".vertexAiSearch.dataStoreSpecs[0].dataStore",
    ),
    "an outside service": (
        {
            "retrieval": {
                "externalApi": {
                    "apiSpec": "SIMPLE_SEARCH",
                    "endpoint": "https://evil.example",
                    "apiAuth": {"apiKeyConfig": {"apiKeySecretVersion": "projects/p/secrets/s/versions/1"}},
                }
            }
        },
        ".externalApi",
    ),
    "an outside service in snake_case": (
        {"retrieval": {"external_api": {"auth_config": {"google_service_account_config": {"service_account": "a@b"}}}}},
        ".external_api",
    ),
}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "credentials of maps": ({"googleMaps": {"authConfig": {"apiKeyConfig": {"apiKeyString": "x"}}}}, "googleMaps.authConfig"),
    "credentials of maps in snake_case": ({"google_maps": {"auth_config": {}}}, "google_maps.auth_config"),
    "an unknown member of an allowed tool": ({"googleSearch": {"customConfig": "x"}}, "googleSearch.customConfig"),
    "a second tool behind an allowed one": ({"googleSearch": {}, "retrieval": {"externalApi": {}}}, "retrieval.externalApi"),
    "an unknown tool": ({"parallelAiSearch": {"apiKey": "x"}}, "parallelAiSearch"),
    "servers": ({"mcpServers": [{"name": "x"}]}, "mcpServers"),
    "stores of files": ({"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/x"]}}, "fileSearch"),
    "functions in Google's words": ({"functionDeclarations": [{"name": "f"}]}, "functionDeclarations"),
    "one member in two spellings": (
        {"googleSearch": {"excludeDomains": ["a"], "exclude_domains": ["b"]}},
        "googleSearch.exclude_domains",
    ),
}
TOOLS = {name: (tool, f"retrieval{rest}") for name, (tool, rest) in NAMES_SOMETHING.items()} | OTHERS


def places(name: str, value: Any) -> dict[str, dict[str, Any]]:
    """One member of Google's in all places that hold any, by the path of the place."""
    return {
        f"google.{name}": {"google": {name: value}},
        f"extra_body.google.{name}": {"extra_body": {"google": {name: value}}},
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", TOOLS)
async def test_no_tool_names_what_the_operator_does_not_allow(name: str, stream: bool) -> None:
    tool, rest = TOOLS[name]
    assert await refused(chat(tools=[{"type": "google_search"}, tool], stream=stream)) == f"tools[1].{rest}"
    for path, fields in places("tools", [tool]).items():
        assert await refused(chat(stream=stream, **fields)) == f"{path}[0].{rest}"


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "retrieval", "retrieval": {"vertexRagStore": {"ragCorpora": [CORPUS]}}}, "tools[0].type"),
        ({"type": "google_maps", "authConfig": {}}, "tools[0].authConfig"),
        ({"type": "google_maps", "google_maps": {"auth_config": {}}}, "tools[0].google_maps.auth_config"),
        ({"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}, "tools[0].container"),
        ({"type": "google_search", "retrieval": {"externalApi": {}}}, "tools[0].retrieval"),
        ({"type": "google_search", "googleSearch": {"customConfig": 1}}, "tools[0].googleSearch.customConfig"),
        ({"type": "mcp", "server_url": "https://evil.example"}, "tools[0].type"),
        ({"type": "file_search", "vector_store_ids": ["x"]}, "tools[0].type"),
        ({"type": "computer_use_preview"}, "tools[0].type"),
        ({}, "tools[0].type"),
    ],
)
async def test_a_tool_with_a_type_is_read_as_closely(tool: dict[str, Any], param: str) -> None:
    assert await refused(chat(tools=[tool])) == param


async def test_harmless_tools_arrive_with_their_options() -> None:
    search = {
        "exclude_domains": ["example.com"],
        "timeRangeFilter": {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"},
    }
    tools = [{"google_search": search}, {"type": "url_context"}]
    extra = {"google": {"tools": [{"codeExecution": {}}, {"google_maps": {"enable_widget": True}}]}}
    _, [sent] = await ask(chat(tools=tools, extra_body=extra))
    assert sent["tools"] == [
        {"googleSearch": {"excludeDomains": ["example.com"], "timeRangeFilter": search["timeRangeFilter"]}},
        {"urlContext": {}},
        {"codeExecution": {}},
        {"googleMaps": {"enableWidget": True}},
    ]


ALLOWED = {
    "a corpus": "ragCorpora/1",
    "a corpus in snake_case": f"{PARENT}/ragCorpora/",
    "a corpus, the old way": CORPUS,
    "a data store": f"{PARENT}/collections/default_collection",
    "an engine": ENGINE,
    "a data store of several": STORE,
}


@pytest.mark.parametrize("name", ALLOWED)
async def test_the_operator_allows_a_resource(name: str) -> None:
    reply, sent = await ask(chat(tools=[TOOLS[name][0]]), allowed_resources=[ALLOWED[name]])
    assert (reply.status_code, len(sent)) == (200, 1), reply.text
    assert "retrieval" in sent[0]["tools"][0]


@pytest.mark.parametrize("name", ["an outside service", "an outside service in snake_case"])
async def test_nothing_allows_an_outside_service(name: str) -> None:
    tool, rest = TOOLS[name]
    assert await refused(chat(tools=[tool]), allowed_resources=["projects"]) == f"tools[0].{rest}"


# ---- names of resources

CACHES = [
    ("cachedContents/123", "123", True),
    ("cachedContents/123", "cachedContents/123", True),
    ("cachedContents/123", f"{PARENT}/cachedContents/123", True),
    (f"{PARENT}/cachedContents/123", "123", True),
    ("cachedContents", "123", True),
    ("cachedContents/", "123", True),
    ("projects/p", "123", True),
    ("cachedContents/12", "123", False),
    (f"{PARENT}/cachedContents/12", f"{PARENT}/cachedContents/123", False),
    ("cachedContents/1234", "123", False),
    ("projects/p/locations/glob", "123", False),
    ("projects/q", "123", False),
    ("ragCorpora", "123", False),
    ("cachedContents", "../ragCorpora/1", False),
    ("cachedContents", "cachedContents/../cachedContents/1", False),
    ("cachedContents", "cachedContents/1/2", False),
    ("cachedContents", "cachedContents/%31", False),
    ("cachedContents", "cachedContents/1?x=1", False),
    ("cachedContents", "cachedContents//1", False),
    ("cachedContents", " 123", False),
    ("cachedContents", "123\n", False),
    ("cachedContents", "CachedContents/123", False),
    ("cachedContents", f"/{PARENT}/cachedContents/123", False),
    ("cachedContents", f"{PARENT}/cachedContents/../../../../q/locations/global/cachedContents/1", False),
    ("projects", "projects/q/locations/global/cachedContents/1", False),
]


@pytest.mark.parametrize(("allowed", "name", "passes"), CACHES)
async def test_a_cache_is_judged_as_it_is_sent(allowed: str, name: str, passes: bool) -> None:
    for path, fields in {"cached_content": {"cached_content": name}, **places("cachedContent", name)}.items():
        if passes:
            _, [sent] = await ask(chat(**fields), allowed_resources=[allowed])
            assert sent["cachedContent"] == f"{PARENT}/cachedContents/123"
        else:
            assert await refused(chat(**fields), allowed_resources=[allowed]) == path


async def test_by_default_no_cache_may_be_named() -> None:
    assert await refused(chat(cached_content="123")) == "cached_content"


async def test_a_key_may_name_more_than_its_backend_allows_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, wide_record = keys.issue("wide", resources=["cachedContents/1"])
    narrow, narrow_record = keys.issue("narrow")
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [wide_record, narrow_record]}))
    configured = settings({"allowed_resources": ["cachedContents/2"]}, allow_anonymous=False, client_keys="env:TEST_KEYS")
    found: dict[tuple[str, str], int] = {}
    for name, key in (("wide", wide), ("narrow", narrow)):
        for cache in ("1", "2", "3"):
            upstream = ScriptedUpstream(answers.gemini())
            reply = await post(upstream, chat(cached_content=cache), configured, authorization=f"Bearer {key}")
            found[name, cache] = reply.status_code
    assert found == {
        ("wide", "1"): 200,
        ("wide", "2"): 200,
        ("wide", "3"): 400,
        ("narrow", "1"): 400,
        ("narrow", "2"): 200,
        ("narrow", "3"): 400,
    }


# ---- other extensions

EXTENSIONS: dict[str, tuple[Any, str]] = {
    "warp": (1, ""),
    "contents": ([], ""),
    "systemInstruction": ({}, ""),
    "modelArmorConfig": ({"promptTemplateName": TEMPLATE}, ".promptTemplateName"),
    "model_armor_config": ({"response_template_name": TEMPLATE}, ".response_template_name"),
    "serviceTier": ("priority", ""),
    "routing_config": ({}, ""),
    "tool_config": ({"functionCallingConfig": {"mode": "ANY"}}, ".functionCallingConfig"),
    "toolConfig": ({"includeServerSideToolInvocations": True}, ".includeServerSideToolInvocations"),
    "generation_config": ({"candidate_count": 8}, ".candidate_count"),
    "generationConfig": ({"candidateCount": 8}, ".candidateCount"),
    "speech_config": ({"voice_config": {"replicated_voice_config": {}}}, ".voice_config.replicated_voice_config"),
    "image_config": ({"outputGcsUri": "gs://b/o"}, ".outputGcsUri"),
    "thinking_config": ({"model": "x"}, ".model"),
    "response_modalities": (["VIDEO"], "[0]"),
    "responseModalities": (["AUDIO"], ""),
    "retrieval_config": ({"datastore": STORE}, ".datastore"),
    "safety_settings": ([{"category": "X", "threshold": "OFF"}], "[0].category"),
}


@pytest.mark.parametrize("name", EXTENSIONS)
async def test_an_extension_that_is_not_listed_is_a_400_with_its_path(name: str) -> None:
    value, rest = EXTENSIONS[name]
    for path, fields in places(name, value).items():
        assert await refused(chat(**fields)) == f"{path}{rest}"


@pytest.mark.parametrize(
    "member",
    [
        "maxOutputTokens",
        "max_output_tokens",
        "candidateCount",
        "responseSchema",
        "temperature",
        "logprobs",
        "routingConfig",
        "modelConfig",
    ],
)
async def test_a_generation_config_does_not_go_around_the_fields_that_are_limited(member: str) -> None:
    for path, fields in places("generation_config", {member: 1}).items():
        assert await refused(chat(**fields)) == f"{path}.{member}"


@pytest.mark.parametrize(
    "name", ["modelArmorConfig", "model_armor_config", "safetySettings", "cachedContent", "generation_config", "toolConfig"]
)
async def test_an_extension_in_a_place_where_it_means_nothing_is_not_ignored(name: str) -> None:
    assert await refused(chat(**{name: {}})) == name
    assert await refused(chat(extra_body={name: {}})) == f"extra_body.{name}"


async def test_an_unknown_member_comes_with_a_suggestion() -> None:
    reply, _ = await ask(chat(extra_body={"google": {"thinking_confg": {}}}))
    assert "Did you mean 'thinking_config'?" in reply.json()["error"]["message"]


async def test_media_settings_arrive() -> None:
    google = {
        "generation_config": {"media_resolution": "MEDIA_RESOLUTION_LOW", "thinking_config": {"thinking_level": "low"}},
        "image_config": {"aspect_ratio": "16:9", "imageSize": "2K"},
        "response_modalities": ["text", "image"],
        "retrieval_config": {"lat_lng": {"latitude": 1.5, "longitude": 2}},
    }
    _, [sent] = await ask(chat("gemini-3.8-flash", extra_body={"google": google}))
    assert sent["generationConfig"] == {
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }
    assert sent["toolConfig"] == {"retrievalConfig": {"latLng": {"latitude": 1.5, "longitude": 2}}}


# ---- the operator's settings

HARASSMENT = "HARM_CATEGORY_HARASSMENT"


@pytest.mark.parametrize(
    "category", [HARASSMENT, HARASSMENT.lower(), "harassment", "HARM_CATEGORY_JAILBREAK", "HARM_CATEGORY_IMAGE_HATE"]
)
@pytest.mark.parametrize(
    "threshold", ["OFF", "BLOCK_NONE", "block_none", "BLOCK_ONLY_HIGH", "HARM_BLOCK_THRESHOLD_UNSPECIFIED", "", "4"]
)
async def test_no_spelling_is_weaker_than_the_floor(category: str, threshold: str) -> None:
    options = {"safety": {"floor": "BLOCK_MEDIUM_AND_ABOVE"}}
    setting = [{"category": category, "threshold": threshold}]
    for path, fields in {"safety_settings": {"safety_settings": setting}, **places("safetySettings", setting)}.items():
        assert await refused(chat(**fields), options=options) == f"{path}[0].threshold"


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ([{"category": HARASSMENT, "threshold": 5}], "[0].threshold"),
        ([{"category": HARASSMENT}], "[0].threshold"),
        ([{"category": 3, "threshold": "BLOCK_LOW_AND_ABOVE"}], "[0].category"),
        ([{"threshold": "BLOCK_LOW_AND_ABOVE"}], "[0].category"),
        (
            [{"category": HARASSMENT, "threshold": "BLOCK_LOW_AND_ABOVE"}, {"category": "harassment", "threshold": "OFF"}],
            "[1].category",
        ),
        ([{"category": HARASSMENT, "threshold": "BLOCK_LOW_AND_ABOVE", "method": "SEVERITY"}], "[0].method"),
        ([{"category": HARASSMENT, "threshold": "BLOCK_LOW_AND_ABOVE", "Threshold": "OFF"}], "[0].Threshold"),
        ([{"category": HARASSMENT, "threshold": "BLOCK_LOW_AND_ABOVE", "_threshold": "OFF"}], "[0]._threshold"),
    ],
)
async def test_a_setting_is_read_in_one_way_only(settings: Any, param: str) -> None:
    options = {"safety": {"floor": "BLOCK_MEDIUM_AND_ABOVE"}}
    assert await refused(chat(safety_settings=settings), options=options) == f"safety_settings{param}"


async def test_the_floor_is_sent_with_every_request_and_a_client_may_be_stricter() -> None:
    options = {"safety": {"floor": {"HARM_CATEGORY_HATE_SPEECH": "BLOCK_ONLY_HIGH", HARASSMENT: "BLOCK_ONLY_HIGH"}}}
    _, [sent] = await ask(chat(safety_settings=[{"category": "harassment", "threshold": "block_low_and_above"}]), options=options)
    assert sent["safetySettings"] == [
        {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_ONLY_HIGH"},
        {"category": HARASSMENT, "threshold": "BLOCK_LOW_AND_ABOVE"},
    ]
    _, [sent] = await ask(chat(), options=options)
    assert [setting["threshold"] for setting in sent["safetySettings"]] == ["BLOCK_ONLY_HIGH", "BLOCK_ONLY_HIGH"]
    _, [sent] = await ask(chat(), options={"safety": {"floor": "BLOCK_NONE"}})
    assert len(sent["safetySettings"]) == 4


async def test_fixed_safety_settings_are_the_operators_alone() -> None:
    setting = [{"category": HARASSMENT, "threshold": "BLOCK_LOW_AND_ABOVE"}]
    for options in ({"safety": {"fixed": True}}, {"safety": {"fixed": True, "floor": "BLOCK_ONLY_HIGH"}}):
        assert await refused(chat(safety_settings=setting), options=options) == "safety_settings"
        assert await refused(chat(safety_settings=[]), options=options) == "safety_settings"


async def test_model_armor_is_the_operators() -> None:
    options = {"model_armor": {"prompt_template": TEMPLATE}}
    _, [sent] = await ask(chat(), options=options)
    assert sent["modelArmorConfig"] == {"promptTemplateName": TEMPLATE}
    other = {"google": {"model_armor_config": {"prompt_template_name": f"{PARENT}/templates/weak"}}}
    param = "extra_body.google.model_armor_config"
    assert await refused(chat(extra_body=other), options=options, allowed_resources=["projects/p"]) == param
    floor = {"safety": {"floor": "BLOCK_ONLY_HIGH"}}
    assert await refused(chat(extra_body=other), options=floor, allowed_resources=["projects/p"]) == param
    setting = [{"category": HARASSMENT, "threshold": "BLOCK_NONE"}]
    reply, sent = await ask(chat(safety_settings=setting), options=options)
    assert (reply.json()["error"]["code"], sent) == ("unsupported_parameter", [])
    _, [sent] = await ask(chat(extra_body=other), allowed_resources=[f"{PARENT}/templates"])
    assert sent["modelArmorConfig"] == {"promptTemplateName": f"{PARENT}/templates/weak"}


@pytest.mark.parametrize(
    "options",
    [
        {"model_armor": {"prompt_template": TEMPLATE}, "safety": {"floor": "OFF"}},
        {"model_armor": {"prompt_template": TEMPLATE}, "surface": "developer"},
        {"safety": {"floor": "BLOCK_SOME"}},
        {"safety": {"floor": {"HARASSMENT": "OFF"}}},
        {"safety": {"flor": "OFF"}},
    ],
)
def test_guards_that_cannot_work_are_found_at_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(FaultyDocumentError):
        documents.read(options, GeminiOptions)


@pytest.mark.parametrize("name", ["team", "Team", "TEAM"])
async def test_labels_of_the_operator_are_not_overwritten(name: str) -> None:
    options = {"default_labels": {"team": "operator"}, "metadata_to_labels": True}
    for path, fields in {"labels": {"labels": {name: "x"}}, **places("labels", {name: "x"})}.items():
        assert await refused(chat(**fields), options=options) == f"{path}.{name}"
    reply, [sent] = await ask(chat(metadata={name: "x", "job": "y"}, labels={"run": "z"}), options=options)
    assert sent["labels"] == {"team": "operator", "run": "z", "job": "y"}
    assert reply.headers["x-chromagent-ignored"] == f"metadata.{name}"


async def test_labels_of_a_client_do_not_push_out_those_of_the_operator() -> None:
    options = {"default_labels": {"team": "operator"}}
    assert await refused(chat(labels={f"l{number}": "x" for number in range(64)}), options=options) == "labels"


# ---- files

BUCKET_URLS = [
    ("gs://b/o.png", True),
    ("gs://b/a folder/o.png", True),
    ("gs://b/ä/o.png", True),
    ("GS://b/o.png", False),
    ("gs://B/o.png", False),
    ("gs://b", False),
    ("gs://b/", False),
    ("gs://b//o.png", False),
    ("gs://b/../other/o.png", False),
    ("gs://b/./o.png", False),
    ("gs://b/x/..", False),
    ("gs:///b/o.png", False),
    ("gs://b@other/o.png", False),
    ("gs://other@b/o.png", False),
    ("gs://b:80/o.png", False),
    ("gs://b\\other/o.png", False),
    ("gs://b%2Fother/o.png", False),
    ("gs://b/%2e%2e/other/o.png", False),
    ("gs://b/o.png?bucket=other", False),
    ("gs://b/o.png#x", False),
    ("gs://b#/other/o.png", False),
    ("gs://b/*", False),
    ("gs://b/o.png\n", False),
    ("gs://b\t/o.png", False),
    ("gs://b/o\x00.png", False),
    ("gs://b/o\u2028.png", False),
    ("gs://b./o.png", False),
    ("gs://b.other/o.png", False),
    ("gs://other/b/o.png", False),
    ("gs://b/" + "o" * 1025, False),
    (" gs://b/o.png", False),
    ("gs:b/o.png", False),
]


@pytest.mark.parametrize(("url", "passes"), BUCKET_URLS)
async def test_a_bucket_is_judged_as_it_is_sent(url: str, passes: bool) -> None:
    configured = settings(gcs_buckets=["b"])
    parts: dict[str, dict[str, Any]] = {
        "image_url.url": {"type": "image_url", "image_url": {"url": url, "mime_type": "image/png"}},
        "video_url.url": {"type": "video_url", "video_url": {"url": url, "format": "video/mp4"}},
        "file.file_id": {"type": "file", "file": {"file_id": url, "filename": "o.png"}},
    }
    for path, part in parts.items():
        upstream = ScriptedUpstream(answers.gemini())
        reply = await post(upstream, {"model": GEMINI, "messages": [{"role": "user", "content": [part]}]}, configured)
        if passes:
            assert upstream.sent[0].body["contents"][0]["parts"][0]["fileData"]["fileUri"] == url
        else:
            assert (reply.status_code, upstream.sent) == (400, [])
            assert reply.json()["error"]["param"] == f"messages[0].content[0].{path}"


@pytest.mark.parametrize(
    "url",
    [
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "https://generativelanguage.googleapis.com/v1beta/files/abc?alt=media",
        "https://GenerativeLanguage.GoogleAPIs.com./v1beta/files/abc",
        "https://generativelanguage.googleapis.com:443/v1beta/files/abc",
        "https://x@generativelanguage.googleapis.com/v1beta/files/abc",
        "https://generativelanguage%2egoogleapis.com/v1beta/files/abc",
        "https://generativelanguage\u3002googleapis.com/v1beta/files/abc",
        "https:\\\\generativelanguage.googleapis.com/v1beta/files/abc",
        "https://aiplatform.googleapis.com/v1/projects/p",
    ],
)
@pytest.mark.parametrize("surface", ["vertex", "developer"])
async def test_a_file_of_the_gateways_own_is_no_address_for_clients(url: str, surface: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url, "mime_type": "image/png"}}
    body = {"model": GEMINI, "messages": [{"role": "user", "content": [part]}]}
    assert await refused(body, options={"surface": surface}) == "messages[0].content[0].image_url.url"


async def test_a_file_of_the_files_api_needs_the_operators_word() -> None:
    part = {"type": "file", "file": {"file_id": "files/abc"}}
    body = {"model": GEMINI, "messages": [{"role": "user", "content": [part]}]}
    developer = {"options": {"surface": "developer"}}
    assert await refused(body, **developer) == "messages[0].content[0].file.file_id"
    _, [sent] = await ask(body, allowed_resources=["files/abc"], **developer)
    address = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    assert sent["contents"][0]["parts"][0]["fileData"]["fileUri"] == address


# ---- Claude


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@pytest.mark.parametrize(
    "fields",
    [
        {"container": "container_1"},
        {"mcp_servers": [{"type": "url", "url": "https://evil.example", "name": "x"}]},
        {"additional_headers": {"x-goog-user-project": "other"}},
        {"extra_headers": {"x-goog-user-project": "other"}},
        {"inference_geo": "us"},
    ],
)
async def test_a_field_that_gives_rights_elsewhere_is_named_and_not_sent(model: str, fields: dict[str, Any]) -> None:
    [name] = fields
    plain, [expected] = await ask(chat(model))
    for body in (fields, {"extra_body": fields}):
        upstream = ScriptedUpstream(answers.claude() if model == CLAUDE else answers.gemini())
        reply, [sent] = await ask(chat(model, **body), upstream)
        assert (plain.status_code, reply.status_code, sent) == (200, 200, expected)
        assert name in reply.headers["x-chromagent-ignored"]
        assert "other" not in str(upstream.sent[0].headers)


RIGHTS = ["files-api-2025-04-14", "mcp-client-2025-11-20", "code-execution-2025-08-25", "skills-2025-10-02", "web-fetch-2025-09-10"]


@pytest.mark.parametrize(
    "beta", [*RIGHTS, "context-1m-2025-08-07,files-api-2025-04-14 x", "files-api-2025-04-14\n", "FILES-API-2025-04-14"]
)
async def test_no_beta_gives_rights(beta: str) -> None:
    for fields in ({"anthropic_beta": [beta]}, {"betas": beta}, {"extra_body": {"betas": [beta]}}):
        upstream = ScriptedUpstream(answers.claude())
        reply, [sent] = await ask(chat(CLAUDE, **fields), upstream)
        told = json.dumps(sent) + str(upstream.sent[0].headers).lower()
        assert [right for right in RIGHTS if right in told] == []
        assert "anthropic-beta" in reply.headers["x-chromagent-ignored"]
    upstream = ScriptedUpstream(answers.claude())
    await post(upstream, chat(CLAUDE), settings(), **{"anthropic-beta": beta.strip()})
    assert [right for right in RIGHTS if right in str(upstream.sent[0].headers).lower()] == []


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "web_fetch_20250910", "name": "web_fetch"}, "tools.[0].type"),
        ({"type": "code_execution_20250825", "name": "code_execution"}, "tools.[0].type"),
        ({"type": "mcp_toolset", "mcp_server_name": "x"}, "tools.[0].type"),
        ({"type": "web_search_20250305", "name": "web_search", "api_key": "x"}, "tools.[0].api_key"),
        ({"type": "bash_20250124", "name": "bash", "container": "x"}, "tools.[0].container"),
        ({"type": "memory_20250818", "name": "memory", "store": "x"}, "tools.[0].store"),
        ({"googleSearch": {}}, "tools.[0].type"),
    ],
)
async def test_no_tool_of_claudes_names_more_than_is_listed(tool: dict[str, Any], param: str) -> None:
    assert await refused(chat(CLAUDE, tools=[tool])) == param


async def test_a_search_of_claudes_arrives_with_its_options() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["example.com"]}
    _, [sent] = await ask(chat(CLAUDE, tools=[tool]))
    assert [{name: value for name, value in one.items() if name != "cache_control"} for one in sent["tools"]] == [tool]


@pytest.mark.parametrize(
    ("management", "param"),
    [
        ({"container": "x"}, "context_management.container"),
        ({"edits": [{"type": "memory_20250818"}]}, "context_management.edits.[0].type"),
        ({"edits": [{"type": "compact_20260112", "model": "x"}]}, "context_management.edits.[0].model"),
        ({"edits": [1]}, "context_management.edits.[0]"),
    ],
)
async def test_context_management_holds_listed_edits_only(management: dict[str, Any], param: str) -> None:
    assert await refused(chat(CLAUDE, context_management=management)) == param


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "messages.[0].content.[0].type"),
        ({"type": "document", "source": {"type": "url", "url": "https://example.com/x"}}, "messages.[0].content.[0].type"),
        ({"type": "container_upload", "file_id": "file_1"}, "messages.[0].content.[0].type"),
        ({"type": "file", "file": {"file_id": "file_1"}}, "messages.[0].content.[0].file.file_id"),
        ({"type": "file", "file": {"file_data": "gs://b/o"}}, "messages.[0].content.[0].file.file_data"),
        ({"type": "image_url", "image_url": {"url": "gs://b/o"}}, "messages.[0].content.[0].image_url.url"),
        (
            {"type": "file", "file": {"file_data": "data:text/plain,x", "citations": {"enabled": True, "x": 1}}},
            "messages.[0].content.[0].file.citations.x",
        ),
    ],
)
async def test_claude_is_sent_no_reference_to_a_file(part: dict[str, Any], param: str) -> None:
    assert await refused({"model": CLAUDE, "messages": [{"role": "user", "content": [part]}]}) == param


@pytest.mark.parametrize(
    "block",
    [
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}, "container": "file_1"},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "document", "source": {"file_id": "file_1"}}]},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "source": "file_1"}]},
    ],
)
async def test_content_as_claude_wrote_it_holds_nothing_else(block: dict[str, Any]) -> None:
    said = {"role": "assistant", "content": "A", "anthropic_content": [{"type": "text", "text": "A"}, block]}
    messages = [{"role": "user", "content": "x"}, said, {"role": "user", "content": "y"}]
    _, [sent] = await ask({"model": CLAUDE, "messages": messages})
    assert "file_1" not in json.dumps(sent)


# ---- models

BILLING = {"provider": "vertex-anthropic", "auth": "none", "project": "p"}
PATTERNS = [
    ("gemini-*", "gemini-3.8-flash", True),
    ("gemini-*", " gemini-3.8-flash ", True),
    ("gemini-*", "google/gemini-3.8-flash", True),
    ("gemini-*", "models/gemini-3.8-flash", True),
    ("gemini-*", "publishers/google/models/gemini-3.8-flash", True),
    ("gemini-*", f"{PARENT}/publishers/google/models/gemini-3.8-flash", True),
    ("google/gemini-*", "gemini-3.8-flash", True),
    ("google/*", "gemini-3.8-flash", True),
    ("google/*", "claude-sonnet-4-6", False),
    ("anthropic/*", "claude-sonnet-4-6", True),
    ("anthropic/*", "gemini-3.8-flash", False),
    ("*", "gemini-billing/claude-sonnet-4-6", True),
    ("gemini-*", "gemini-billing/claude-sonnet-4-6", False),
    ("gemini-*", "gemini-billing/gemini-3.8-flash", False),
    ("gemini-*", "vertex-gemini/gemini-3.8-flash", False),
    ("gemini-*", "claude-sonnet-4-6", False),
    ("gemini-*", "anthropic/claude-sonnet-4-6", False),
    ("gemini-*", "publishers/anthropic/models/claude-sonnet-4-6", False),
    ("gemini-*", "team/claude", False),
    ("team/*", "team/claude", True),
    ("gemini-*", "gemini-team/claude", False),
    ("vertex-gemini/gemini-*", "vertex-gemini/gemini-3.8-flash", True),
    ("vertex-gemini/*", "vertex-gemini/google/gemini-3.8-flash", True),
    ("vertex-gemini/*", "gemini-billing/claude-sonnet-4-6", False),
    ("*/gemini-*", "vertex-gemini/gemini-3.8-flash", True),
    ("*/gemini-*", "gemini-billing/claude-sonnet-4-6", False),
    ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929", False),
    ("gemini-*", "GEMINI-3.8-flash", False),
]


@pytest.mark.parametrize(("pattern", "model", "allowed"), PATTERNS)
async def test_a_pattern_is_of_the_model_and_not_of_its_spelling(
    pattern: str, model: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, record = keys.issue("narrow", models=[pattern])
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record]}))
    base = {"auth": "none", "project": "p"}
    mapping = {"team/claude": "claude-sonnet-4-6", "gemini-team/claude": "claude-sonnet-4-6"}
    configured = config.read(
        {
            "client_keys": "env:TEST_KEYS",
            "backends": {
                "vertex-gemini": base,
                "vertex-anthropic": {**base, "model_mapping": mapping},
                "gemini-billing": BILLING,
            },
        }
    )
    upstream = ScriptedUpstream(answers.claude() if "claude" in model else answers.gemini())
    reply = await post(upstream, chat(model), configured, authorization=f"Bearer {key}")
    assert reply.status_code == (200 if allowed else 404), reply.text
    assert len(upstream.sent) == allowed
