"""What is taken out of an upstream's words, and what stays; tests/trust/test_what_stays_inside.py plants canaries over HTTP."""

import pytest

from chromagent.translators.redaction import MAX_MESSAGE, Redactor

REDACT = Redactor("acme-4711", ("proxy.example",), ("header-value",), {"messages": [{"content": ["see gs://mine/a.png"]}]})


@pytest.mark.parametrize(
    "text",
    [
        "Publisher Model `x` was not found or your project does not have access to it.",
        "Enable billing for this project. Learn more: https://cloud.google.com/vertex-ai/docs/quotas",
        "Invalid value at 'contents[1].parts[0].function_call' (TYPE_BYTES), at 12:30:45, version 1.2.3.4, 8.8.8.8",
        "messages.0.content.1: Input should be 'text'; std::string, 1::2",
        "organization: must be a string",
        "1234567890 tokens, 0.123456789012, 1.234567890123e5",
        "gs://mine/a.png is too large.",
    ],
)
def test_what_names_nothing_of_ours_stays(text: str) -> None:
    assert REDACT(text) == text.replace("1::2", "[internal address]")  # an address of no network in use


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at 10.0.0.5:8080 refused", "at [internal address] refused"),
        ("[::1]:443, ::ffff:10.0.0.1.", "[internal address], [internal address]."),
        ("https://192.168.1.1/a b", "[internal address] b"),
        ("PROXY.example:8443/v1 said", "[upstream] said"),
        ("consumer 123456789012 of folders/77", "consumer [number] of project"),
        ("Bearer abcdefgh.ijk and AQ.Ab8RN6K", "[credential] and [credential]"),
        ("'gs://theirs/a.png', GS://theirs", "'[object]', [object]"),
        ("x-team: header-value", "x-team: [credential]"),
    ],
)
def test_what_names_something_of_ours_is_replaced(text: str, left: str) -> None:
    assert REDACT(text) == left


@pytest.mark.parametrize(
    "secret", ["robot@other-4712.iam.gserviceaccount.com", "AIzaSyA1234567890abcdefghijklmnopqrstu", "proxy.example", "10.128.0.77"]
)
def test_half_of_a_secret_does_not_stay_where_a_message_is_cut(secret: str) -> None:
    for kept in range(len(secret)):
        left = REDACT("a " * ((MAX_MESSAGE - kept) // 2) + "b" * (kept % 2) + " " * (kept % 2) + secret)
        assert secret[:3] not in left, kept


def test_an_identifier_with_something_of_ours_is_none() -> None:
    assert REDACT.identifier("req_vrtx_011Canary") == "req_vrtx_011Canary"
    assert [REDACT.identifier(text) for text in ("acme-4711", "AIzaSyA123456", "a b", "é", "x" * 200)] == [""] * 5
