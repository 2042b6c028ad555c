# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page is told at its start."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from ..durations import parse_timedelta
from ..errors import InputError
from ..settings import DEFAULT_PORT, Settings

#: A session token of the cluster lasts that long; a longer session would be a false promise.
LONGEST_SESSION = timedelta(hours=10)
SHORTEST_REFRESH = timedelta(seconds=2)


@dataclass(frozen=True)
class Config:
    """The page's configuration; see :func:`parse` for how it is written.

    :param hosts: nodes of the cluster.
    :param title: name of the cluster, as people call it.
    :param certificate: PEM file; without one the page speaks plain HTTP on loopback, to a proxy.
    :param trusted_proxies: addresses whose ``X-Forwarded-For`` is believed.
    :param allowed_hosts: names under which the page may be asked for.
    :param idle_timeout: a session ends after so much time without a click.
    :param session_lifetime: and after this in any case.
    :param refresh_interval: between two listings of an account that somebody looks at.
    :param audit_file: JSON lines of who closed what; its directory must be writable.
    :param max_close: more handles are not closed at once.
    :param max_sessions: more people are not logged in at a time.
    """

    hosts: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    audit_file: str
    port: int = DEFAULT_PORT
    ca_path: str | None = None
    validate_certs: bool = True
    timeout: float = 30.0
    title: str = ""
    listen_address: str = "127.0.0.1"
    listen_port: int = 8443
    certificate: str | None = None
    private_key: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    idle_timeout: timedelta = timedelta(minutes=30)
    session_lifetime: timedelta = LONGEST_SESSION
    refresh_interval: timedelta = timedelta(seconds=15)
    max_close: int = 1000
    max_sessions: int = 200

    def settings(self, **credentials: Any) -> Settings:
        """Return connection settings with somebody's credentials.

        The patience is that of a person who waits before a page.
        """
        return Settings(
            hosts=self.hosts,
            port=self.port,
            ca_path=self.ca_path,
            validate_certs=self.validate_certs,
            timeout=self.timeout,
            retries=5,
            retry_deadline=2 * self.timeout,
            **credentials,
        )


_TEXTS = ("ca_path", "title", "listen_address", "certificate", "private_key", "audit_file")
_LISTS = ("hosts", "allowed_hosts", "trusted_proxies")
_SPANS = ("idle_timeout", "session_lifetime", "refresh_interval")
_COUNTS = ("port", "listen_port", "max_close", "max_sessions")


def parse(mapping: Mapping[str, Any]) -> Config:
    """Return the configuration that a YAML file holds. Reads no file.

    :param mapping: members of :class:`Config`; spans of time are written as ``30min`` or ``10h``.
    :raises InputError: a value is missing, unknown, or can not work; the sentence names it.
    """
    known = [field.name for field in fields(Config)]
    unknown = sorted(str(key) for key in mapping if key not in known)
    if unknown:
        raise InputError(f"'{unknown[0]}' is no setting of the lock manager: {_choices(known)}.")
    values = {key: _value(key, value) for key, value in mapping.items() if value is not None}
    for key, example in (
        ("hosts", "[10.0.0.11, 10.0.0.12]"),
        ("allowed_hosts", "[locks.example.com]"),
        ("audit_file", "/var/lib/lockstep/closed.jsonl"),
    ):
        if not values.get(key):
            raise InputError(f"'{key}' is missing: write for instance '{key}: {example}'.")
    config = Config(**values)
    _check(config)
    return config


def _value(key: str, value: Any) -> Any:
    if key in _TEXTS:
        if not isinstance(value, str):
            raise InputError(f"'{key}' must be text, not {value!r}.")
        return value
    if key in _LISTS:
        return _list(key, value)
    if key in _SPANS:
        if not isinstance(value, str):
            raise InputError(f"'{key}' must be a span of time such as 30min or 10h, not {value!r}.")
        return parse_timedelta(value)
    if key in _COUNTS:
        least = 0 if key == "listen_port" else 1  # 0: any that is free
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"'{key}' must be a whole number above 0, not {value!r}.")
        return value
    if key == "timeout":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            raise InputError(f"'timeout' must be a number of seconds above 0, not {value!r}.")
        return float(value)
    if not isinstance(value, bool):
        raise InputError(f"'{key}' must be true or false, not {value!r}.")
    return value


def _list(key: str, value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise InputError(f"'{key}' must be a list of texts, not {value!r}.")
    items = [item.strip() for item in items]
    if not all(items):
        raise InputError(f"'{key}' holds an empty text: leave it out.")
    return tuple(items)


def _check(config: Config) -> None:
    config.settings()  # hosts, port and timeout
    for key in ("port", "listen_port"):
        if getattr(config, key) > 65535:
            raise InputError(
                f"'{key}' must be a TCP port (1 to 65535), not {getattr(config, key)}."
            )
    for host in config.allowed_hosts:
        if "/" in host or "*" in host or (":" in host and not host.startswith("[")):
            raise InputError(
                f"'{host}' in 'allowed_hosts' is no host name: "
                "leave out scheme, port and wildcards."
            )
    if bool(config.certificate) != bool(config.private_key):
        lacking = "private_key" if config.certificate else "certificate"
        raise InputError(f"'{lacking}' is missing: certificate and private key go together.")
    address = _address("listen_address", config.listen_address)
    if not config.certificate and not address.is_loopback:
        raise InputError(
            f"Without a certificate the page would send passwords in clear over {address}: set "
            "'certificate' and 'private_key', or listen on 127.0.0.1 behind a proxy with TLS."
        )
    for proxy in config.trusted_proxies:
        _address("trusted_proxies", proxy)
    if not os.path.isabs(config.audit_file):
        raise InputError(f"'audit_file' must be an absolute path, not '{config.audit_file}'.")
    if config.session_lifetime > LONGEST_SESSION:
        raise InputError(
            "'session_lifetime' can be 10h at most: a session of the cluster ends then."
        )
    for key in ("idle_timeout", "session_lifetime"):
        if getattr(config, key) < timedelta(seconds=1):
            raise InputError(f"'{key}' must be one second at least.")
    if config.refresh_interval < SHORTEST_REFRESH:
        raise InputError("'refresh_interval' must be 2s at least, for the cluster's sake.")


def _address(key: str, text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as exc:
        raise InputError(
            f"'{text}' in '{key}' is no IP address: write for instance 127.0.0.1."
        ) from exc


def _choices(known: Sequence[str]) -> str:
    return f"use {', '.join(known)}"
