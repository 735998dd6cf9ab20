"""The two Cloud Functions. Both hand every request to the app; which paths each answers, the app knows."""

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from chromagent.app import App, open_app

app: App = open_app()


@functions_framework.aio.http
async def chat_completions(_: Request) -> Response:
    """Serve every route: its URL is a complete `base_url`."""
    return cast("Response", app.chat)  # to Starlette, any ASGI application is a response


@functions_framework.aio.http
async def models(_: Request) -> Response:
    """Serve the list of models and the health of the deployment."""
    return cast("Response", app.models)
