"""Platforms: where and as whom an upstream is called. What is said to it is the translators'."""
