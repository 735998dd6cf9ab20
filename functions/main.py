"""The two Cloud Functions. Both hand every request to the app; which paths each answers, the app knows."""

import gc

gc.disable()  # nothing that is imported becomes garbage: looking for it takes a fifth of the time

from typing import cast  # noqa: E402

import functions_framework.aio  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402

from chromagent.app import App, open_app  # noqa: E402

app: App = open_app()

gc.freeze()  # so that the worker, which is forked from here, shares these pages instead of touching them
gc.set_threshold(50_000)  # a request makes few cycles: looking for them often takes 5 % of its time
gc.enable()


@functions_framework.aio.http
async def chat_completions(_: Request) -> Response:
    """Serve every route: its URL is a complete `base_url`."""
    return cast("Response", app.chat)  # to Starlette, any ASGI application is a response


@functions_framework.aio.http
async def models(_: Request) -> Response:
    """Serve the list of models and the health of the deployment."""
    return cast("Response", app.models)
