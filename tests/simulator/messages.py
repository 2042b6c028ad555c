# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers, and the errors of the REST API."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

Json = Any

REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
ERROR_CLASSES = {
    400: "http_bad_request_error",
    401: "http_unauthorized_error",
    403: "http_forbidden_error",
    404: "http_not_found_error",
    405: "http_method_not_allowed_error",
    409: "http_conflict_error",
    412: "http_precondition_failed_error",
    429: "http_too_many_requests_error",
    500: "api_internal_server_error",
    503: "http_service_unavailable_error",
}


class ApiError(Exception):
    """An answer that is an error.

    :param error_class: as the cluster names it; by default the one of the status
    """

    def __init__(self, status: int, description: str, error_class: str | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.error_class = error_class or ERROR_CLASSES[status]


class Request:
    """One request, as handlers see it."""

    __slots__ = (
        "at_login",
        "body",
        "headers",
        "keep_alive",
        "method",
        "node",
        "peer",
        "query_string",
        "segments",
        "uri",
        "user",
        "wild",
    )

    def __init__(
        self,
        method: str,
        uri: str,
        headers: dict[str, str],
        body: bytes,
        *,
        node: str,
        peer: str,
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body
        self.node = node
        self.peer = peer
        self.keep_alive = keep_alive
        path, _, self.query_string = uri.partition("?")
        self.segments = [segment for segment in path.split("/") if segment]
        self.wild: list[str] = []
        self.user: Any = None
        self.at_login: frozenset[str] | None = None  # privileges of the session's login

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; the last of a name counts."""
        parameters = {}
        for part in self.query_string.split("&"):
            if part:
                name, _, value = part.partition("=")
                parameters[unquote(name)] = unquote(value.replace("+", " "))
        return parameters

    def json(self) -> Json:
        """The body as JSON.

        :raises ApiError: 400 for anything else
        """
        try:
            return json.loads(self.body)
        except (ValueError, UnicodeDecodeError) as error:
            raise ApiError(400, f"the body is no JSON: {error}") from error

    def object(self) -> dict[str, Json]:
        """The body as a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise ApiError(400, "the body must be a JSON object")
        return body


class Answer:
    """One answer: JSON, or bytes."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers or {}


def answer(value: Json, *, status: int = 200, etag: str | None = None) -> Answer:
    """A JSON answer; None is an empty body."""
    body = b"" if value is None else json.dumps(value).encode()
    return Answer(status, body, headers={} if etag is None else {"ETag": etag})


def failure(error: ApiError, headers: dict[str, str] | None = None) -> Answer:
    """The answer for an error, in the shape that the cluster gives it."""
    body = {
        "module": "simulator",
        "error_class": error.error_class,
        "description": error.description,
        "stack": [],
        "user_visible": True,
        "inner": None,
    }
    return Answer(error.status, json.dumps(body).encode(), headers=headers)
