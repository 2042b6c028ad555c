# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as an ASGI application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from . import api, lib, pages, record_recovery
from .config import Config
from .gate import DEFECT, Handler, Visit, gate, message
from .lib import (
    HTTPException,
    Middleware,
    Mount,
    PlainTextResponse,
    Request,
    Response,
    Route,
    Starlette,
    StaticFiles,
    run_in_threadpool,
)
from .request_limits import RequestLimits
from .services import HERE, Services
from .sessions import COOKIE
from .shield import HEALTH, Shield, harden

#: Seconds between heartbeats of the event loop.
_BEAT = 1.0
#: All pages: method, address, handler. Each of them needs a session, each POST a CSRF token.
_PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", pages.list_page),
    ("POST", "/logout", pages.log_out),
    ("GET", "/open-files.csv", pages.export_csv),
    ("POST", "/confirm", pages.confirm),
    ("POST", "/close", pages.close),
    ("GET", "/closings", pages.records_page),
    ("GET", "/closings.csv", pages.records_csv),
    ("GET", "/closings/{job}", pages.closing_page),
    ("GET", "/api/v1/status", api.status),
    ("GET", "/api/v1/files", api.files),
    ("GET", "/api/v1/handles", api.handles),
    ("GET", "/api/v1/closings", api.closings),
    ("GET", "/api/v1/closings/{job}", api.closing),
)
#: And those before the login; its POST has a token of its own.
_PUBLIC: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/login", pages.login_page),
    ("POST", "/login", pages.log_in_now),
)


async def _beat() -> None:
    """Say that the event loop moves."""
    while True:
        beats.working("serving the page")
        await asyncio.sleep(_BEAT)


def make_app(config: Config, heartbeats: Heartbeats | None = None) -> Starlette:
    """Return the application; ``app.state.services`` has its parts.

    :raises LibraryMissingError: Starlette or Jinja2 is not installed.
    :raises InputError: the record of closed handles can not be written.
    """
    lib.require()
    services = Services.make(config, heartbeats)
    services.records.check()
    record_recovery.complete(services.records)
    tls = config.certificate is not None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        beat = asyncio.create_task(_beat())
        yield
        beat.cancel()
        await run_in_threadpool(services.stop)

    async def health(request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def refused(request: Request, exc: Exception) -> Response:
        """What the router says: no such page, no such method."""
        error = cast(HTTPException, exc)
        session = services.sessions.find(request.cookies.get(COOKIE, ""), active=False)
        missing = error.status_code == 404
        text = "There is no such page." if missing else "That can not be done here."
        return message(services, Visit(request, session), error.status_code, "Nothing here", text)

    async def defect(request: Request, exc: Exception) -> Response:
        """An error of our own; Starlette logs it with its traceback."""
        del exc
        answer = message(services, Visit(request, None), 500, "That did not work", DEFECT)
        harden(answer.headers, tls=tls)  # this answer does not pass the shield
        return answer

    routes: list[Route | Mount] = [Route(HEALTH, health)]
    for public, table in ((False, _PAGES), (True, _PUBLIC)):
        for method, path, handler in table:
            endpoint = gate(services, handler, public=public)
            routes.append(Route(path, endpoint, methods=[method], name=handler.__name__))
    files = StaticFiles(directory=os.path.join(HERE, "static"))
    routes.append(Mount("/static", files))
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(
                Shield,
                hosts=config.allowed_hosts,
                counters=services.counters,
                limits=RequestLimits(config.max_connections_per_address),
                tls=tls,
            ),
        ],
        exception_handlers={HTTPException: refused, Exception: defect},
    )
    app.state.services = services
    return app
