"""Texts that the gateway adds. They are part of the wire: changing one invalidates caches and signatures of running conversations.

Source: wire-anthropic §0.4.
"""

from typing import Final

START: Final = "(start of conversation)"
CONTINUE: Final = "Continue."
EMPTY: Final = "(empty)"
SYSTEM_OPEN: Final = "<system-message>\n"
SYSTEM_CLOSE: Final = "\n</system-message>"
JSON_ONLY: Final = "Reply with exactly one valid JSON object. Write nothing before or after it and use no code fence."
JSON_SCHEMA: Final = JSON_ONLY + " It must satisfy this JSON Schema: {schema}"
FORCE_ONE: Final = 'You must call the tool "{name}" now. Do not answer in text.'
FORCE_ANY: Final = "You must call at least one of the available tools now. Do not answer in text."
REFUSAL: Final = "The model declined to answer this request."
NO_RESULT: Final = "No result was provided."
GONE_TOOL: Final = "Earlier tool, not available now."
JSON_TOOL: Final = "json_output"
"""Name of the tool through which models without structured outputs give them."""
