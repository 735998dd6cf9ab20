"""The two Cloud Functions. Both hand every request to the app; which paths each answers, the app knows."""

import functions_framework.aio
from starlette.requests import Request

from chromagent.app import App, open_app

app: App = open_app()


@functions_framework.aio.http
async def chat_completions(_: Request) -> object:
    """Serve every route: its URL is a complete `base_url`."""
    return app.chat


@functions_framework.aio.http
async def models(_: Request) -> object:
    """Serve the list of models and the health of the deployment."""
    return app.models
