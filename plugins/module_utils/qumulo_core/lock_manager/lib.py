# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the libraries of the page are imported.

The guard lets this package be imported where they are missing; :func:`require` then says so when
the page is to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LibraryMissingError

if TYPE_CHECKING:
    from anyio import CapacityLimiter, to_thread
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.datastructures import Headers, MutableHeaders
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import (
        HTMLResponse,
        JSONResponse,
        PlainTextResponse,
        RedirectResponse,
        Response,
        StreamingResponse,
    )
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    IMPORT_ERROR: ImportError | None = None
else:
    try:
        from anyio import CapacityLimiter, to_thread
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.exceptions import HTTPException
        from starlette.middleware import Middleware
        from starlette.requests import ClientDisconnect, Request
        from starlette.responses import (
            HTMLResponse,
            JSONResponse,
            PlainTextResponse,
            RedirectResponse,
            Response,
            StreamingResponse,
        )
        from starlette.routing import Mount, Route
        from starlette.staticfiles import StaticFiles
        from starlette.types import ASGIApp, Message, Receive, Scope, Send

        IMPORT_ERROR = None
    except ImportError as exc:
        IMPORT_ERROR = exc
        # Stand-ins that are never used: `require` is called before any of them could be.
        Environment = FileSystemLoader = StrictUndefined = Starlette = run_in_threadpool = None
        Headers = MutableHeaders = HTTPException = Middleware = Request = HTMLResponse = None
        JSONResponse = PlainTextResponse = RedirectResponse = Response = StreamingResponse = None
        ClientDisconnect = OSError
        CapacityLimiter = to_thread = None
        Mount = Route = StaticFiles = ASGIApp = Message = Receive = Scope = Send = None

__all__ = [
    "ASGIApp",
    "CapacityLimiter",
    "ClientDisconnect",
    "Environment",
    "FileSystemLoader",
    "HTMLResponse",
    "HTTPException",
    "Headers",
    "JSONResponse",
    "Message",
    "Middleware",
    "Mount",
    "MutableHeaders",
    "PlainTextResponse",
    "Receive",
    "RedirectResponse",
    "Request",
    "Response",
    "Route",
    "Scope",
    "Send",
    "Starlette",
    "StaticFiles",
    "StreamingResponse",
    "StrictUndefined",
    "require",
    "run_in_threadpool",
    "to_thread",
]


def require() -> None:
    """Make sure that the libraries are there.

    :raises LibraryMissingError: one is not; the message names the package to install.
    """
    if IMPORT_ERROR is not None:
        missing = (IMPORT_ERROR.name or "starlette").partition(".")[0]
        raise LibraryMissingError(missing, str(IMPORT_ERROR))
