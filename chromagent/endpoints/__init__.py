"""The HTTP face: paths, headers, bodies, events. With `app` the only place that knows the web server's interface (ASGI)."""
