"""A running server's REST interface, as far as the command line needs it.

Every answer is checked: what is not a success becomes a ServerError that says what the server said, in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from beurs.errors import BeursError, ServerError

__all__ = ["Client"]

TIMEOUT_SECONDS = 10.0


class Client:
    """One connection to the server at `url`, with the API key of an account, or None for what is public."""

    def __init__(self, url: str, api_key: str | None) -> None:
        headers = {"accept": "application/json"}
        if api_key is not None:
            headers["X-API-Key"] = api_key
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise BeursError(f"cannot use this URL or API key: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: object) -> Any:
        """The JSON of a resource. Query parameters that are None are left out."""
        return self._send("GET", path, query)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """What the server says to a new resource. Fields that are None are left out."""
        return self._send("POST", path, {}, body)

    def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """What the server says to a change. Fields that are None are left out."""
        return self._send("PATCH", path, {}, body)

    def delete(self, path: str, **query: object) -> Any:
        """What the server says to a removal. Query parameters that are None are left out."""
        return self._send("DELETE", path, query)

    def _send(
        self, method: str, path: str, query: Mapping[str, object], body: Mapping[str, object] | None = None
    ) -> Any:
        parameters = {name: str(value) for name, value in query.items() if value is not None}
        content = None if body is None else {name: value for name, value in body.items() if value is not None}
        try:
            response = self._http.request(method, path, params=parameters, json=content)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise BeursError(f"{self._http.base_url}: {error}") from error
        try:
            answer = response.json()
        except ValueError as error:
            raise ServerError(response.status_code, "not_json", "the answer is not JSON; is this a beurs?") from error
        if not response.is_success:
            raise _said(response.status_code, answer)
        return answer


def _said(status: int, answer: object) -> ServerError:
    """The error of an answer in the one error shape; a general one for any other."""
    match answer:
        case {"error": {"code": str(code), "message": str(message), **rest}}:
            field = rest.get("field")
            return ServerError(status, code, message, field if isinstance(field, str) else None)
    return ServerError(status, "error", "the server refused without saying why")
