# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every request passes first, and every answer last, whatever it is for."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from ..common.addresses import canonical
from .counters import Counters
from .lib import (
    ASGIApp,
    Headers,
    Message,
    MutableHeaders,
    PlainTextResponse,
    Receive,
    Response,
    Scope,
    Send,
)
from .request_limits import LARGEST_BODY, LARGEST_LOGIN, RequestLimits

LOGIN = "/login"
#: Asked for by machines that know no name of ours; it tells nothing.
HEALTH = "/health"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        # No text ever becomes HTML in the browser.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
#: For a year browsers come back over TLS only, whatever a link says (RFC 6797).
_TLS_ONLY = "max-age=31536000"
_SAFE_METHODS = ("GET", "HEAD")


def harden(headers: MutableHeaders, *, tls: bool) -> None:
    """Add to an answer what keeps browsers from doing harm with it.

    :param tls: the page has the certificate itself. A proxy that has it decides by itself.
    """
    for name, value in _HEADERS.items():
        headers[name] = value
    if tls:
        headers["Strict-Transport-Security"] = _TLS_ONLY
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"


def hostname(host: str) -> str:
    """Return a Host header without its port, in lower case, an IPv6 address in its one spelling."""
    if host.startswith("["):
        return f"[{canonical(host[1:].rpartition(']')[0].lower())}]"
    return host.partition(":")[0].lower()


def _site(origin: str) -> str | None:
    """Return name and port of an Origin header in lower case, None if it makes no sense."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def objection(method: str, path: str, headers: Headers, hosts: frozenset[str]) -> tuple[int, str]:
    """Return status and reason if a request is to be refused whoever sent it; else 0."""
    host = headers.get("host", "")
    if path != HEALTH and hostname(host) not in hosts:
        return 400, "This page does not go by that name: see 'allowed_hosts' of its configuration."
    if method in _SAFE_METHODS:
        return 0, ""
    # A browser says where a form comes from; only our own may send one.
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return 403, "Another site has sent this form: nothing was done."
    origin = headers.get("origin")
    if origin is not None and _site(origin) != host.lower():
        return 403, "Another site has sent this form: nothing was done."
    length = headers.get("content-length")
    # Sent in chunks, it is as long as it likes, whatever length it names.
    if length is None or not length.isdigit() or "transfer-encoding" in headers:
        return 411, "A form has to say how long it is."
    if int(length) > (LARGEST_LOGIN if path == LOGIN else LARGEST_BODY):
        return 413, "The form is too large: select less."
    return 0, ""


class Shield:
    """ASGI middleware that refuses what no browser of ours would send, and hardens answers.

    :param tls: the page has the certificate itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        counters: Counters,
        limits: RequestLimits,
        tls: bool,
    ) -> None:
        self._app = app
        self._hosts = frozenset(map(hostname, hosts))
        self._counters = counters
        self._limits = limits
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                harden(MutableHeaders(raw=message["headers"]), tls=self._tls)
            await send(message)

        self._counters.add("requests")
        headers = Headers(scope=scope)
        status, reason = objection(scope["method"], scope["path"], headers, self._hosts)
        if status:
            await self._refuse(status, reason, scope, receive, hardened)
            return
        address = scope["client"][0] if scope.get("client") else ""
        length = 0 if scope["method"] in _SAFE_METHODS else int(headers["content-length"])
        status, reason = self._limits.enter(address, length)
        if status:
            await self._refuse(status, reason, scope, receive, hardened)
            return
        try:
            await self._app(scope, receive, hardened)
        finally:
            self._limits.leave(address, length)

    async def _refuse(
        self, status: int, reason: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._counters.add("requests_refused")
        refusal: Response = PlainTextResponse(reason, status)
        if status in (429, 503):
            refusal.headers["Retry-After"] = "10"
        await refusal(scope, receive, send)
