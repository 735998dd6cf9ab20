"""docs/security.md claims nothing that no test holds."""

import re

import pytest

from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
CLAIMS = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat ", "| a client may name "))
]
NAMES = sorted(set(re.findall(r"`(tests/[\w./:-]+)`", PAGE)))


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_names_a_test(claim: str) -> None:
    assert len(claim.split(" | ")) in (3, 4)
    assert re.search(r"`tests/[\w/.-]+", claim.rsplit(" | ", 1)[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_test_that_is_named_exists(name: str) -> None:
    path, _, function = name.partition("::")
    text = (ROOT / path).read_text()
    assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE)


def test_there_are_claims() -> None:
    assert len(CLAIMS) > 30
    assert len(NAMES) > 40
