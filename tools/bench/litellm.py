"""LiteLLM's proxy beside the gateway. Hides where it is installed, and how it is set up for speed as its documentation advises:
one worker, uvloop and httptools, no data base, no callbacks, logs of errors only.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import yaml

VERSION: Final = "1.108.7"
PLACE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chromagent-bench" / f"litellm-{VERSION}"
INSTALL_WITHIN: Final = 600
"""Seconds."""


class NotInstalledError(Exception):
    """It cannot be installed here; the text says why."""


def install() -> Path:
    """Install the pinned version once, into an environment of its own; return its command. Raises `NotInstalledError`."""
    command = PLACE / "bin" / "litellm"
    ready = PLACE / ".ready"
    if not ready.exists():
        uv = Path(sys.executable).with_name("uv")
        environment = os.environ | {"UV_SYSTEM_CERTS": "1"}
        packages = [f"litellm[proxy]=={VERSION}", "google-auth", "requests", "uvloop", "httptools"]
        steps = [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, PLACE],
            [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", PLACE / "bin" / "python", *packages],
        ]
        try:
            for step in steps:
                subprocess.run(step, env=environment, check=True, capture_output=True, timeout=INSTALL_WITHIN)
        except (OSError, subprocess.SubprocessError) as error:
            told = getattr(error, "stderr", None) or str(error).encode()
            raise NotInstalledError(told.decode(errors="replace")[-500:]) from error
        ready.touch()
    return command


def configure(folder: Path, upstream: str, key: str, models: dict[str, str]) -> Path:
    """Write its configuration: `models` maps what clients call a model to its own name for it."""
    document = {
        "model_list": [
            {
                "model_name": public,
                "litellm_params": {
                    "model": own,
                    "api_base": upstream,
                    "vertex_project": "p",
                    "vertex_location": "global",
                },
            }
            for public, own in models.items()
        ],
        "litellm_settings": {"set_verbose": False, "request_timeout": 600, "num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": key, "disable_spend_logs": True},
    }
    path = folder / "litellm.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def environment(folder: Path, metadata_host: str) -> dict[str, str]:
    """Return its variables: nothing is fetched from outside, and its identity comes from the fake metadata server."""
    return {
        "HOME": str(folder),
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DONT_SHOW_FEEDBACK_BOX": "True",
        "GCE_METADATA_HOST": metadata_host,
        "GCE_METADATA_IP": metadata_host,
        "NO_GCE_CHECK": "False",
    }
