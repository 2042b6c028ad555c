# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each node answer, and can its certificate be trusted?"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from .. import failures
from ..settings import Settings
from ..transport import CONNECT_TIMEOUT
from .findings import FAILED, OK, WARNING, Finding

#: A certificate that ends sooner is worth a word.
EXPIRES_SOON = timedelta(days=30)


def check_node(settings: Settings, host: str, now: datetime) -> Finding:
    """Connect to one node, of whose answers failover would hide the lack.

    :param now: this host's time, aware.
    :raises InputError: ``ca_path`` can not be used.
    """
    subject = f"node {host}"
    context = settings.ssl_context()
    began = time.monotonic()
    try:
        certificate, version = _handshake(settings, host, context)
    except (OSError, ValueError) as exc:
        failure = failures.connecting(host, settings.port, exc, alone=len(settings.hosts) == 1)
        return Finding(subject, FAILED, failure.error.message)
    took = (time.monotonic() - began) * 1000
    text = f"answers on port {settings.port} in {took:.0f} ms, {version}"
    if not settings.validate_certs:
        return Finding(
            subject,
            WARNING,
            f"{text}; the certificate is not verified: set ca_path and leave out validate_certs.",
        )
    return _with_expiry(subject, text, certificate, now)


def _handshake(
    settings: Settings, host: str, context: ssl.SSLContext
) -> tuple[dict[str, Any], str | None]:
    """Return the certificate of a node (empty if it is not verified) and the version of TLS."""
    timeout = min(CONNECT_TIMEOUT, settings.timeout)
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(
            socket.create_connection((host, settings.port), timeout=timeout)
        )
        wrapped = stack.enter_context(context.wrap_socket(plain, server_hostname=host))
        return wrapped.getpeercert() or {}, wrapped.version()


def _with_expiry(subject: str, text: str, certificate: dict[str, Any], now: datetime) -> Finding:
    try:
        seconds = ssl.cert_time_to_seconds(certificate["notAfter"])
    except (KeyError, ValueError):
        return Finding(subject, OK, f"{text}, certificate verified.")
    end = datetime.fromtimestamp(seconds, timezone.utc)
    text += f", certificate verified, valid until {end:%Y-%m-%d}"
    if end - now < EXPIRES_SOON:
        return Finding(subject, WARNING, f"{text}: renew it in time.")
    return Finding(subject, OK, f"{text}.")


def check_nodes(settings: Settings) -> list[Finding]:
    """Connect to each node in turn."""
    now = datetime.now(timezone.utc)
    return [check_node(settings, host, now) for host in settings.hosts]


def reachable(settings: Settings, findings: list[Finding]) -> Settings | None:
    """Return settings with the nodes that answered, or None if there is none."""
    hosts = tuple(
        host for host, finding in zip(settings.hosts, findings) if finding.level != FAILED
    )
    return replace(settings, hosts=hosts) if hosts else None
