"""The wire format of Google's `generateContent`. Hides everything about it; where it is served is `providers.vertex_gemini`."""
