"""The rules of Cloud Armor: which hosts they let in, and that no key has a counter of its own."""

import re

import pytest

from tests.support.processes import ROOT

RULES = (ROOT / "terraform" / "modules" / "edge" / "armor.tf").read_text()


@pytest.fixture(scope="module")
def pattern() -> re.Pattern[str]:
    """Hosts that are served, for the domain llm.example.com."""
    found = re.search(r"\.lower\(\)\.matches\('([^']+)'\)", RULES)
    assert found
    return re.compile(re.sub(r"\$\{replace\(.*\)\}", "llm[.]example[.]com", found[1]))


@pytest.mark.parametrize("host", ["llm.example.com", "llm.example.com:443"])
def test_the_domain_is_served(pattern: re.Pattern[str], host: str) -> None:
    assert pattern.search(host)


@pytest.mark.parametrize(
    "host",
    [
        "203.0.113.7",
        "llm-example.com",
        "llm.example.com.evil.example",
        "evil.llm.example.com",
        "llm.example.com:8443",
        "llm.example.com ",
        "",
    ],
)
def test_no_other_host_is_served(pattern: re.Pattern[str], host: str) -> None:
    assert not pattern.search(host)


def test_nothing_that_a_client_chooses_has_a_counter_of_its_own() -> None:
    assert re.findall(r"enforce_on_key\w* += (.+)", RULES) == ['"IP"']
