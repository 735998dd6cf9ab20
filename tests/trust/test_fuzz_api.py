"""Whatever our own description of the API allows or forbids, over the wire: answers are as it says, and none is a fault of ours."""

import schemathesis
from hypothesis import assume, given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from chromagent.schema.chat import FIELDS
from tests.support.fuzzing import Tally, fuzzed
from tests.support.raw_client import Place
from tools import openapi

DOCUMENT = openapi.document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
USER = {"role": "user", "content": "hi"}
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


def cases(path: str, method: str) -> st.SearchStrategy[Case]:
    operation = SCHEMA[path][method]
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))


def call(place: Place, case: Case, tally: Tally) -> None:
    assume("\n" not in case.formatted_path and "%0A" not in case.formatted_path)  # such a path has no route in the framework itself
    headers = {"authorization": f"Bearer {place.key}", "x-stainless-timeout": "5"}
    response = case.call_and_validate(base_url=place.server.url, headers=headers, checks=CHECKS, timeout=20)
    tally.note(response.status_code)


@given(case=cases("/v1/chat/completions", "POST"))
@fuzzed(100)
def test_chat_completions(place: Place, tally: Tally, case: Case) -> None:
    call(place, case, tally)


@given(case=SCHEMA["/v1/chat/completions"]["POST"].as_strategy(), kept=st.sets(st.sampled_from(sorted(FIELDS)), max_size=3))
@fuzzed(150)
def test_chat_completions_of_few_fields(place: Place, tally: Tally, case: Case, kept: set[str]) -> None:
    """Bodies that the description allows hold so many fields that one of them is always refused."""
    fields = {"messages", "model", *kept}
    case.body = {name: value for name, value in case.body.items() if name in fields}
    case.body["messages"] = [message for message in case.body["messages"] if message["role"] in ("system", "user")] or [USER]
    call(place, case, tally)


@given(case=cases("/v1/models/{id}", "GET"))
@fuzzed(60)
def test_a_model(place: Place, tally: Tally, case: Case) -> None:
    call(place, case, tally)


@given(case=cases("/v1/models", "GET"))
@fuzzed(10)
def test_models(place: Place, tally: Tally, case: Case) -> None:
    call(place, case, tally)


@given(case=cases("/health", "GET"))
@fuzzed(10)
def test_health(place: Place, tally: Tally, case: Case) -> None:
    call(place, case, tally)
