"""OpenAI's API in front of Gemini and Claude on Vertex AI."""

__version__ = "0.1.0"
