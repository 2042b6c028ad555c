# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From method and path to a handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .http_server import Stream
from .messages import Answer, ApiError, Request

if TYPE_CHECKING:
    from .cluster import Cluster

Handler = Callable[["Cluster", Request], "Answer | Stream"]


@dataclass
class Route:
    """One endpoint.

    :ivar pattern: as rest-api.json names it, such as ``GET /v1/files/{ref}/entries/``
    :ivar privilege: what the caller needs (None: file permissions decide)
    :ivar public: answered without a token
    """

    pattern: str
    handler: Handler
    privilege: str | None
    public: bool


@dataclass
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    wild: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """All endpoints, as a tree of path segments."""

    def __init__(self) -> None:
        self._root = _Node()

    def route(
        self, pattern: str, privilege: str | None = None, *, public: bool = False
    ) -> Callable[[Handler], Handler]:
        """Register the handler of an endpoint; ``{name}`` stands for one segment."""

        def register(handler: Handler) -> Handler:
            method, _, path = pattern.partition(" ")
            node = self._root
            for segment in path.split("/"):
                if segment.startswith("{"):
                    node.wild = node.wild or _Node()
                    node = node.wild
                elif segment:
                    node = node.children.setdefault(segment, _Node())
            node.routes[method] = Route(pattern, handler, privilege, public)
            return handler

        return register

    def find(self, request: Request) -> Route:
        """The route of a request; what stands for its wild segments goes to ``request.wild``.

        :raises ApiError: 404 or 405
        """
        node, wild = self._root, []
        for segment in request.segments:
            child = node.children.get(segment)
            if child is None:
                child = node.wild
                if child is None:
                    raise ApiError(404, f"{request.uri.partition('?')[0]} is no endpoint")
                wild.append(unquote(segment))
            node = child
        route = node.routes.get(request.method)
        if route is None:
            if node.routes:
                raise ApiError(405, f"{request.method} is not allowed here")
            raise ApiError(404, f"{request.uri.partition('?')[0]} is no endpoint")
        request.wild = wild
        return route


def number(request: Request, name: str) -> int | None:
    """A query parameter that is a number.

    :raises ApiError: 400 if it is none
    """
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise ApiError(400, f"{name}={text} is no number")
    return int(text)


def flag(request: Request, name: str) -> bool:
    """A query parameter that is true or false; the SDK writes it as Python does."""
    return request.query.get(name, "").lower() == "true"


def next_uri(request: Request, after: str | int) -> str:
    """The URI of the next page: this one, with another ``after``."""
    path = request.uri.partition("?")[0]
    others = [p for p in request.query_string.split("&") if p and not p.startswith("after=")]
    return f"{path}?{'&'.join([*others, f'after={after}'])}"
