"""The wire format of Anthropic's Messages. Hides everything about it; where it is served is `providers.vertex_anthropic`."""
