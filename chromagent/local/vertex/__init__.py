"""A simulated Vertex AI: both vendors' wire formats on the real paths, with a small deterministic model behind them.

For trying the gateway without an account, and as an honest counterpart in tests: it validates requests as the vendors do and
answers mistakes in their own shapes. It shares no code with the translators, so that both cannot be wrong
in the same way. What it can do is written in docs/simulated-vertex.md.
"""
