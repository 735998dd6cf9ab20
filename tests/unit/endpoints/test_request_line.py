from typing import Any

import pytest

from chromagent.endpoints.request_line import Outcome
from chromagent.translators.protocol import Delta


@pytest.mark.parametrize(
    ("delta", "characters"),
    [
        ({"role": "assistant", "content": "", "refusal": None}, 0),
        ({"content": "four"}, 4),
        ({"refusal": "no"}, 2),
        ({"reasoning_content": "hm"}, 2),
        ({"reasoning": "hm"}, 2),
        ({"reasoning_content": "hm", "reasoning": "hm"}, 2),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}, {"index": 1}]}, 2),
    ],
)
def test_what_a_client_read_is_counted_once(delta: dict[str, Any], characters: int) -> None:
    outcome = Outcome()
    outcome.read_deltas([Delta(0, delta)])
    assert outcome.characters + outcome.reasoning_characters == characters
