import pytest

from chromagent.errors import ModelNotFound
from chromagent.policy.routing import Route, RoutedBackend, Router

GEMINI = RoutedBackend(
    "gemini", ("eu", "us"), {"fast": ("gemini-3.8-flash",), "best": ("claude-eu/claude-opus-5", "gemini-4-argon")}
)
CLAUDE = RoutedBackend("claude", ("europe-west1",), {})
ROUTER = Router({"vertex-gemini": GEMINI, "claude-eu": CLAUDE}, default="vertex-gemini")


@pytest.mark.parametrize(
    ("model", "routes"),
    [
        ("gemini-3.8-flash", [("vertex-gemini", "gemini-3.8-flash", "eu"), ("vertex-gemini", "gemini-3.8-flash", "us")]),
        ("google/gemini-9", [("vertex-gemini", "google/gemini-9", "eu"), ("vertex-gemini", "google/gemini-9", "us")]),
        ("claude-sonnet-5", [("claude-eu", "claude-sonnet-5", "europe-west1")]),
        ("anthropic/claude-sonnet-5", [("claude-eu", "anthropic/claude-sonnet-5", "europe-west1")]),
        ("claude-eu/claude-opus-5", [("claude-eu", "claude-opus-5", "europe-west1")]),
        ("unheard-of", [("vertex-gemini", "unheard-of", "eu"), ("vertex-gemini", "unheard-of", "us")]),
        ("fast", [("vertex-gemini", "gemini-3.8-flash", "eu"), ("vertex-gemini", "gemini-3.8-flash", "us")]),
    ],
)
def test_a_model_goes_where_mapping_family_or_default_say(model: str, routes: list[tuple[str, str, str]]) -> None:
    assert list(ROUTER.routes(model)) == [Route(*route) for route in routes]


def test_a_mapping_to_several_models_is_a_fallback_in_that_order() -> None:
    assert [str(route) for route in ROUTER.routes("best")] == [
        "claude-eu/claude-opus-5@europe-west1",
        "vertex-gemini/gemini-4-argon@eu",
        "vertex-gemini/gemini-4-argon@us",
    ]


def test_a_family_without_a_backend_is_not_served() -> None:
    with pytest.raises(ModelNotFound):
        Router({"vertex-gemini": GEMINI}, default="vertex-gemini").routes("claude-sonnet-5")
