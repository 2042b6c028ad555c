# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to every handler: who asks, is it a person's own click, and what if it fails."""

from __future__ import annotations

import contextlib
import hmac
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from .. import errors
from ..common import unexpected
from ..common.addresses import canonical
from ..common.redaction import masked
from .lib import (
    CapacityLimiter,
    ClientDisconnect,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Request,
    Response,
    to_thread,
)
from .search import Query
from .services import Services
from .sessions import COOKIE, Session

Value = TypeVar("Value")
log = logging.getLogger(__name__)

#: Sent by the page's script when nobody has clicked: it keeps no session alive.
BACKGROUND = "x-lockstep-background"
#: Fields of a form that hold secrets.
SECRETS = ("password", "token")
DEFECT = "Internal error: try again, and check the service log if it persists."
_MOST_FIELDS = 5000
_STATUS = (
    (errors.InputError, 400),
    (errors.MissingPrivilegeError, 403),
    (errors.PermissionDeniedError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.BusyError, 503),
)

Handler = Callable[["Services", "Visit"], Any]  # a Response, or one to be awaited


@dataclass
class Visit:
    """One request, checked.

    :param session: None on the login page alone.
    :param form: fields of a POST, each with all its values.
    """

    request: Request
    session_or_none: Session | None
    form: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        """The session of whoever is logged in."""
        if self.session_or_none is None:
            raise RuntimeError("the gate lets nobody else through")
        return self.session_or_none

    @property
    def params(self) -> Mapping[str, str]:
        """Parameters of the address."""
        return self.request.query_params

    @property
    def address(self) -> str:
        """Where the browser is; behind a trusted proxy, what that says."""
        return canonical(self.request.client.host) if self.request.client else ""

    def sent(self, name: str) -> str:
        """Return the first value of a form field, or nothing."""
        return next(iter(self.form.get(name, ())), "")


def render(
    services: Services,
    template: str,
    visit: Visit | None = None,
    *,
    status: int = 200,
    **context: Any,
) -> Response:
    """Return a page from a template; what it is given is escaped there."""
    session = visit.session_or_none if visit is not None else None
    text = services.templates.get_template(template).render(
        title=services.config.title,
        session=session,
        **context,
    )
    return HTMLResponse(text, status)


def message(
    services: Services, visit: Visit | None, status: int, heading: str, text: str
) -> Response:
    """Return a page, or for the API an object, that says one thing."""
    if visit is not None and is_api(visit.request):
        return JSONResponse({"error": text}, status)
    return render(services, "message.html", visit, status=status, heading=heading, text=text)


def is_api(request: Request) -> bool:
    """Tell whether a program asks."""
    return request.url.path.startswith("/api/")


def safe_next(text: str) -> str:
    """Return the address to go on to after a login: one of our own pages, put together anew."""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as an address with half a bracket
        return "/"
    if parts.scheme or parts.netloc or parts.path not in ("/", "/closings"):
        return "/"
    if parts.path == "/closings":
        return "/closings"
    try:
        return "/" + Query.parse(dict(parse_qsl(parts.query))).link().rstrip("?")
    except errors.InputError:
        return "/"


def gate(
    services: Services, handler: Handler, *, public: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that lets those alone through who may.

    Without a session nothing is answered; a change needs the session's CSRF token too. Only the
    login is ``public``, and has a token of its own.
    """

    async def endpoint(request: Request) -> Response:
        background = BACKGROUND in request.headers
        cookie = request.cookies.get(COOKIE, "")
        session = services.sessions.find(cookie, active=not background)
        if session is not None and not public:
            await services.checks.refresh(session)
            session = services.sessions.find_by_id(session.id)  # the check may have ended it
        visit = Visit(request, session)
        if session is None and not public:
            services.counters.add("requests_refused")
            return _log_in_first(services, visit)
        if request.method == "POST":
            try:
                visit.form = await _form(request)
            except ValueError:
                return message(services, visit, 400, "Not a form", "The form can not be read.")
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            if not public and not _is_own(visit):
                services.counters.add("requests_refused")
                return message(
                    services,
                    visit,
                    403,
                    "Not your click",
                    "The form does not come from your session: go back to the list and try again. "
                    "Nothing was done.",
                )
        with contextlib.ExitStack() as stack:
            for name in SECRETS:
                stack.enter_context(masked(visit.sent(name)))
            try:
                if inspect.iscoroutinefunction(handler):
                    return cast(Response, await handler(services, visit))
                return cast(Response, await in_thread(services, handler, services, visit))
            except errors.QumuloError as exc:
                return _failed(services, visit, exc)
            except Exception as exc:  # pylint: disable=broad-exception-caught
                # Logged in here, where the log still masks what the form brought.
                text = unexpected.sentence(exc, "report the traceback below.")
                log.error("%s %s: %s", request.method, request.url.path, text, exc_info=exc)
                return message(services, visit, 500, "That did not work", DEFECT)

    return endpoint


async def in_thread(
    services: Services,
    work: Callable[..., Value],
    *arguments: Any,
    limiter: CapacityLimiter | None = None,
) -> Value:
    """Call ``work`` in a thread that has a heartbeat.

    :param limiter: of the threads that may do so at a time; None for those of all pages.
    """
    call = partial(services.heartbeats.run, f"page-{work.__name__}", work, *arguments)
    return cast(Value, await to_thread.run_sync(call, limiter=limiter))


async def _form(request: Request) -> dict[str, list[str]]:
    body = await request.body()  # the shield has looked at its size
    return parse_qs(
        body.decode("utf-8"),
        keep_blank_values=True,
        strict_parsing=bool(body),
        max_num_fields=_MOST_FIELDS,
        errors="strict",
    )


def _is_own(visit: Visit) -> bool:
    given = visit.sent("csrf")
    return hmac.compare_digest(given.encode("utf-8", "replace"), visit.session.csrf.encode())


def _log_in_first(services: Services, visit: Visit) -> Response:
    request = visit.request
    if is_api(request):
        return JSONResponse({"error": "Log in first."}, 401)
    if request.method != "GET":
        return message(
            services,
            visit,
            401,
            "You are not logged in",
            "Your session has ended, so nothing was done: log in and try again.",
        )
    here = safe_next(f"{request.url.path}?{request.url.query}")
    if (
        request.headers.get("sec-fetch-site") == "cross-site"
        and request.headers.get("sec-fetch-mode") == "navigate"
    ):
        # A link in a ticket: the browser keeps the cookie of a session back (SameSite=Strict)
        # unless the page itself asks once more.
        return render(services, "bounce.html", None, here=here)
    query = "" if here == "/" else "?" + urlencode({"next": here})
    return RedirectResponse(f"/login{query}", 303)


def _failed(services: Services, visit: Visit, exc: errors.QumuloError) -> Response:
    if isinstance(exc, errors.AuthenticationError):
        services.sessions.close(visit.session.id)
        return message(
            services,
            Visit(visit.request, None),
            401,
            "You have been logged out",
            "The cluster has ended your session: log in again.",
        )
    if exc.status == errors.FORBIDDEN and visit.session_or_none is not None:
        services.checks.refused(visit.session.id, exc)
    status = next((status for kind, status in _STATUS if isinstance(exc, kind)), 502)
    if status == 502:
        log.warning("%s %s: %s", visit.request.method, visit.request.url.path, exc)
    return message(services, visit, status, "That did not work", exc.message)
