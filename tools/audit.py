"""Look for known vulnerabilities of everything that is deployed, by pip-audit: `make audit`.

Where its database is out of reach nothing was audited, and that is a failure. A machine that is known to be offline says so with
`CHROMAGENT_AUDIT_OFFLINE=1`: there it is only printed. pip-audit itself passes in silence where the index answers but knows no
vulnerabilities, so what it skipped was not audited.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import requirements  # noqa: E402 - after the path

OFFLINE = "CHROMAGENT_AUDIT_OFFLINE"
OUT_OF_REACH = "NOT AUDITED: the database of vulnerabilities is out of reach from here."
WHAT_TO_DO = f"Audit where the network is, or set {OFFLINE}=1 on a machine that is meant to be offline."


def ask(pins: str) -> str:
    """Run pip-audit over pinned requirements; its report as JSON, or nothing where it got no answer."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text(pins, encoding="utf-8")
        command = [Path(sys.executable).with_name("pip-audit"), "--requirement", pinned, "--disable-pip", "--format", "json"]
        options = ["--progress-spinner", "off", "--timeout", "10", "--cache-dir", folder]
        return subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=300).stdout


def judge(report: str, *, offline: bool) -> tuple[int, list[str]]:
    """Return the exit status and what to say; `offline`: this machine is known to be unable to audit anything."""
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        found = []
    audited = [one for one in found if "skip_reason" not in one]
    if not audited:
        return (0, [OUT_OF_REACH]) if offline else (1, [OUT_OF_REACH, WHAT_TO_DO])
    faults = [f"{one['name']} {one['version']}: {fault['id']}" for one in audited for fault in one["vulns"]]
    skipped = [f"NOT AUDITED: {one['name']}" for one in found if "skip_reason" in one]
    return int(bool(faults)), [*faults, *skipped, f"{len(audited)} dependencies audited, {len(faults)} vulnerabilities known"]


def main() -> int:
    """Audit, and say what was found."""
    status, lines = judge(ask(requirements.export()), offline=os.environ.get(OFFLINE) == "1")
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
