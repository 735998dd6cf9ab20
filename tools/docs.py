"""Write the tables of the documentation from the code: `make docs`. With `--check`, only say what is out of date.

Settings and switches come from their classes, parameters from their tables, errors from their tree, failures on request from the
simulation, faults from the table that the tests run. Text around the tables is written by hand in the pages themselves, outside the
marks.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from chromagent import config, errors  # noqa: E402 - after the path
from chromagent.local.vertex.scenarios import SCENARIOS  # noqa: E402
from chromagent.translators.anthropic import parameters as claude  # noqa: E402
from chromagent.translators.anthropic import profiles as claude_profiles  # noqa: E402
from chromagent.translators.gemini import parameters as gemini  # noqa: E402
from chromagent.translators.gemini import profiles as gemini_profiles  # noqa: E402
from chromagent.translators.parameters import ParameterTable  # noqa: E402
from tests.trust.fault_table import GROUPS, Fault  # noqa: E402

Profile = TypeVar("Profile")
GEMINI_MODELS = ("gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.8-flash", "gemini-4-argon")
CLAUDE_MODELS = ("claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-8", "claude-opus-5-5")


def documented(module: str, name: str) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Give the fields of a class that have a docstring, each with it."""
    tree = ast.parse((ROOT / "chromagent" / module).read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith(name))
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            yield node, " ".join(str(following.value.value).split())


def switches(package: str) -> Iterator[str]:
    """List the switches of a wire format with their values, defaults and docstrings."""
    yield "| switch | values | default | meaning |"
    yield "|---|---|---|---|"
    for node, meaning in documented(f"translators/{package}/options.py", "Options"):
        kind = ast.unparse(node.annotation)
        values = " · ".join(re.findall(r"'([^']+)'", kind)) or kind.partition("[")[0]
        default = ast.unparse(node.value) if node.value is not None else ""
        default = "empty" if default.endswith("()") or default in ("{}", "''") else default.strip("'")
        yield f"| `{ast.unparse(node.target)}` | {values} | `{default}` | {meaning} |"


def settings() -> Iterator[str]:
    """List the top level of the configuration: single fields with their defaults, sections with the names of theirs."""
    yield "| field | meaning | default |"
    yield "|---|---|---|"
    meanings = {ast.unparse(node.target): meaning for node, meaning in documented("config.py", "Settings")}
    for field in msgspec.structs.fields(config.Settings):
        if is_section(field.type):
            inner = ", ".join(f"`{member}`" for member in field.type.__struct_fields__)
            yield f"| `{field.name}` | {' '.join(str(field.type.__doc__).split())} {inner} | |"
        else:
            yield f"| `{field.name}` | {meanings[field.name]} | {spell(field)} |"


def section(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    """List every field of one section."""
    yield "| field | meaning | default |"
    yield "|---|---|---|"
    meanings = {ast.unparse(node.target): meaning for node, meaning in documented("config.py", kind.__name__)}
    for field in msgspec.structs.fields(kind):
        yield f"| `{name}.{field.name}` | {meanings[field.name]} | {spell(field)} |"


def sections() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Give the sections of the configuration by the name of their field."""
    yield "backends.<name>", config.Backend
    for field in msgspec.structs.fields(config.Settings):
        if is_section(field.type):
            yield field.name, field.type


def is_section(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    """Say whether a field's type is a section."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def spell(field: msgspec.structs.FieldInfo) -> str:
    """Write a field's default as a reader of JSON knows it; nothing where it must be given."""
    if field.required:
        return ""
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is None or default in ((), {}):
        return "none"
    if isinstance(default, tuple):
        return f"`{json.dumps(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def parameters(table: ParameterTable[Profile], profiles: dict[str, Profile]) -> Iterator[str]:
    """List every field of the request with what becomes of it on some models."""
    yield f"| field | {' | '.join(profiles)} | why |"
    yield f"|---|{'---|' * len(profiles)}---|"
    for name, row in table.rows.items():
        told = [row.dispose(profile) for profile in profiles.values()]
        yield f"| `{name}` | {' | '.join(told)} | {row.reason if set(told) != {'mapped'} else ''} |"


def error_rows() -> Iterator[str]:
    """List every error that a client can see."""
    yield "| case | status | type | code | x-should-retry |"
    yield "|---|---|---|---|---|"
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.GatewayError) and kind.when:
            retry = "" if kind.should_retry is None else str(kind.should_retry).lower()
            yield f"| {kind.when} | {kind.status} | `{kind.type}` | `{kind.default_code}` | {retry} |"


def scenario_rows() -> Iterator[str]:
    """List every failure on request."""
    yield "| in the last message | what happens |"
    yield "|---|---|"
    for name, what in SCENARIOS.items():
        yield f"| `simulate: {name}` | {what} |"


def fault_rows(faults: dict[str, Fault]) -> Iterator[str]:
    """List what an upstream may do wrong, with what the client gets of a whole answer and of a stream."""
    yield "| the upstream | whole answer | stream |"
    yield "|---|---|---|"
    for name, fault in faults.items():
        yield f"| {name} | {told(fault, '')} | {told(fault, ' stream')} |"


def told(fault: Fault, mode: str) -> str:
    """Tell the outcome, for each vendor apart where it depends on the vendor."""
    gemini, claude = fault.outcomes[f"gemini{mode}"], fault.outcomes[f"claude{mode}"]
    return gemini if gemini == claude else f"Gemini: {gemini} · Claude: {claude}"


def tables() -> dict[tuple[str, str], str]:
    """Return every table by page and mark."""
    found = {
        ("options.md", "vertex-gemini"): switches("gemini"),
        ("options.md", "vertex-anthropic"): switches("anthropic"),
        ("parameters.md", "gemini"): parameters(gemini.TABLE, {name: gemini_profiles.profile_of(name) for name in GEMINI_MODELS}),
        ("parameters.md", "claude"): parameters(claude.TABLE, {name: claude_profiles.profile_of(name) for name in CLAUDE_MODELS}),
        ("errors.md", "errors"): error_rows(),
        ("../README.md", "errors"): error_rows(),
        ("../README.md", "settings"): settings(),
        **{("configuration.md", name): section(name, kind) for name, kind in sections()},
        ("configuration.md", "settings"): settings(),
        ("simulated-vertex.md", "scenarios"): scenario_rows(),
        **{("faults.md", group.lower()): fault_rows(faults) for group, faults in GROUPS.items()},
    }
    return {place: "\n".join(lines) for place, lines in found.items()}


def main() -> int:
    """Write or check the pages; the exit status is 1 where a page was out of date under `--check`."""
    stale: list[Path] = []
    for (page, mark), table in tables().items():
        path = (ROOT / "docs" / page).resolve()
        text = path.read_text(encoding="utf-8")
        opening, closing = f"<!-- {mark} -->", f"<!-- /{mark} -->"
        before, _, rest = text.partition(opening)
        written = f"{before}{opening}\n{table}\n{closing}{rest.partition(closing)[2]}"
        if written != text:
            stale.append(path.relative_to(ROOT))
            if "--check" not in sys.argv:
                path.write_text(written, encoding="utf-8")
    for path in dict.fromkeys(stale):
        print(f"{path} {'is out of date: run make docs' if '--check' in sys.argv else 'written'}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
