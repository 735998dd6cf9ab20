"""Google's metadata server, asked directly. Hides its addresses, and when it is the one to ask.

On Cloud Run it is where application-default credentials end, and google-auth's way there imports `requests` and `cryptography`:
a third of a cold start, and 15 MB, for two small GETs (docs/adr/0011).
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from google.auth import transport
from google.auth.exceptions import RefreshError, TransportError

HOST: Final = "metadata.google.internal"
ANSWER_WITHIN: Final = 3.0
"""Seconds, as in google-auth."""
PAUSES: Final = (0.1, 0.4)
"""Seconds before the second and the third try: the server of a fresh instance may not be up yet."""
_ACCOUNT: Final = "/computeMetadata/v1/instance/service-accounts/default/token?scopes="
_PROJECT: Final = "/computeMetadata/v1/project/project-id"


def host_of(environment: Mapping[str, str]) -> str | None:
    """Return the server's host where it is what google-auth would end with; None where that has other places to look first.

    `K_SERVICE` is set on Cloud Run (its container contract), `GCE_METADATA_HOST` by whoever runs a server of their own. A named
    document of credentials and that of `gcloud auth application-default login` come before (google.auth.default).
    """
    given = environment.get("GCE_METADATA_HOST")
    if environment.get("GOOGLE_APPLICATION_CREDENTIALS") or not (given or environment.get("K_SERVICE")):
        return None
    gcloud = environment.get("CLOUDSDK_CONFIG") or f"{environment.get('HOME', '')}/.config/gcloud"
    return None if Path(gcloud, "application_default_credentials.json").exists() else given or HOST


class MetadataIdentity:
    """The identity of the function itself, with the members of google-auth's credentials that are used here. Its calls block."""

    quota_project_id: str | None = None

    def __init__(self, host: str, scope: str) -> None:
        self._host = host
        self._scope = scope
        self.token: str | None = None
        self.expiry: datetime | None = None
        """Naive and in UTC, as google-auth keeps it."""

    def refresh(self, request: transport.Request) -> None:
        """Fetch a token. Raises `GoogleAuthError`."""
        answer = _get(request, f"http://{self._host}{_ACCOUNT}{quote(self._scope, safe='')}")
        try:
            document = json.loads(answer)
            lifetime = timedelta(seconds=int(document["expires_in"]))
            self.token = str(document["access_token"])
        except (ValueError, KeyError, TypeError) as error:
            raise RefreshError("the metadata server's answer holds no token") from error
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + lifetime

    def project(self, request: transport.Request) -> str | None:
        """Return the project that the function runs in. Raises `GoogleAuthError`."""
        return _get(request, f"http://{self._host}{_PROJECT}").decode().strip() or None


def _get(request: transport.Request, url: str) -> bytes:
    for pause in PAUSES:
        try:
            return _get_once(request, url)
        except TransportError:
            time.sleep(pause)
    return _get_once(request, url)


def _get_once(request: transport.Request, url: str) -> bytes:
    answer: Any = cast("Any", request)(url, headers={"Metadata-Flavor": "Google"}, timeout=ANSWER_WITHIN)
    status: int = answer.status
    if status >= 500 or status == 429:
        raise TransportError(f"the metadata server answered {status}")
    if status != 200:
        raise RefreshError(f"the metadata server answered {status}")
    return answer.data
