"""The rule of Cloud Armor that counts each key apart, held against the keys that are really issued."""

import re

import pytest

from chromagent.policy.authentication import create_key
from tests.support.processes import ROOT

KEY = create_key()


@pytest.fixture(scope="module")
def pattern() -> re.Pattern[str]:
    rule = (ROOT / "terraform" / "modules" / "edge" / "armor.tf").read_text()
    found = re.search(r"matches\('([^']+)'\)", rule)
    assert found
    return re.compile(found[1])


def test_a_request_with_an_issued_key_is_counted_by_its_key(pattern: re.Pattern[str]) -> None:
    assert pattern.search(f"Bearer {KEY}")


@pytest.mark.parametrize("form", ["bearer KEY", "Bearer  KEY", "Bearer KEY ", "Bearer KEY0", "Basic KEY", "KEY", "Bearer ", ""])
def test_no_other_spelling_of_a_key_has_a_counter_of_its_own(pattern: re.Pattern[str], form: str) -> None:
    assert not pattern.search(form.replace("KEY", KEY))


def test_half_a_key_has_no_counter_of_its_own(pattern: re.Pattern[str]) -> None:
    assert not pattern.search(f"Bearer {KEY[:-1]}")


def test_a_key_fits_into_what_cloud_armor_compares() -> None:
    assert len(f"Bearer {KEY}") <= 128
