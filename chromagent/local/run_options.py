"""What `chromagent run` can be asked for. Apart from `run`, which needs packages that the other commands do not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line asked for. `vertex`: True the real one, False the simulated one, None as the environment suggests."""

    port: int | None = None
    vertex: bool | None = None
    direct: bool = False
    buffer: bool = False
    api_key: str | None = None
    chat_per_minute: int = 600
    models_per_minute: int = 600
    words_per_second: float = 40.0
