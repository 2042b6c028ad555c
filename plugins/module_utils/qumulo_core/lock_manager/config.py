# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page is told at its start."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..common.addresses import canonical
from ..errors import InputError
from ..service import instance, logs
from ..service.config import Section
from ..service.config import cluster as parse_cluster
from ..settings import Settings
from .connections import MOST as MOST_CONNECTIONS

#: A session token of the cluster lasts that long; a longer session would be a false promise.
LONGEST_SESSION = timedelta(hours=10)
SHORTEST_REFRESH = timedelta(seconds=2)
AUDIT_FILE = "/var/lib/lockstep/lock_manager/closed.jsonl"
DEFAULT_PORT = 8443
#: A person waits before the page, so it gives up sooner than a service does.
_RETRIES = 5


@dataclass(frozen=True)
class Config:
    """The page's configuration; see :func:`parse` for how it is written.

    :param cluster: how to reach it; credentials are those of whoever logs in.
    :param title: name of the cluster, as people call it.
    :param allowed_hosts: names under which the page may be asked for.
    :param certificate: PEM file; without one the page speaks plain HTTP on loopback, to a proxy.
    :param trusted_proxies: addresses whose ``X-Forwarded-For`` is believed.
    :param idle_timeout: a session ends after so much time without a click.
    :param session_lifetime: and after this in any case.
    :param refresh_interval: between two listings of an account that somebody looks at.
    :param audit_file: JSON lines of who closed what; its directory must be writable.
    :param max_close: more handles are not closed at once.
    :param max_sessions: more people are not logged in at a time.
    :param max_sessions_per_account: logins of one account at a time; the oldest one ends.
    :param max_connections_per_address: connections of one address; behind a trusted proxy
        requests under way.
    """

    cluster: Settings
    title: str
    allowed_hosts: tuple[str, ...]
    listen_address: str
    listen_port: int
    certificate: str | None
    private_key: str | None
    trusted_proxies: tuple[str, ...]
    idle_timeout: timedelta
    session_lifetime: timedelta
    refresh_interval: timedelta
    audit_file: str
    max_close: int
    max_sessions: int
    max_sessions_per_account: int
    max_connections_per_address: int
    metrics_port: int | None
    lock_file: str
    log_format: str
    log_level: str

    def settings(self, **credentials: Any) -> Settings:
        """Return connection settings with somebody's credentials."""
        patience = min(self.cluster.retry_deadline, 2 * self.cluster.timeout)
        return replace(
            self.cluster,
            retries=min(self.cluster.retries, _RETRIES),
            retry_deadline=patience,
            **credentials,
        )


def parse(section: Section) -> Config:
    """Return the configuration of a file.

    :raises InputError: a value is missing, unknown, or can not work; the sentence names it.
    """
    with section:
        cluster = _cluster(section.section("cluster"))
        config = Config(
            cluster=cluster,
            title=section.text("title", cluster.hosts[0]),
            allowed_hosts=section.texts("allowed_hosts"),
            listen_address=section.text("listen_address", "127.0.0.1"),
            # 0: any port that is free
            listen_port=section.integer("listen_port", DEFAULT_PORT, least=0, most=65535),
            certificate=section.optional_text("certificate"),
            private_key=section.optional_text("private_key"),
            trusted_proxies=tuple(map(canonical, section.texts("trusted_proxies", ()))),
            idle_timeout=_span(section, "idle_timeout", timedelta(minutes=30)),
            session_lifetime=_span(section, "session_lifetime", LONGEST_SESSION),
            refresh_interval=section.span("refresh_interval", timedelta(seconds=15)),
            audit_file=section.text("audit_file", AUDIT_FILE),
            max_close=section.integer("max_close", 1000, least=1, most=1_000_000),
            max_sessions=section.integer("max_sessions", 200, least=1, most=10_000),
            max_sessions_per_account=section.integer(
                "max_sessions_per_account", 5, least=1, most=10_000
            ),
            max_connections_per_address=section.integer(
                "max_connections_per_address", 250, least=8, most=MOST_CONNECTIONS
            ),
            metrics_port=section.optional_integer("metrics_port", least=0, most=65535),
            lock_file=section.text("lock_file", f"{instance.DIRECTORY}/lock_manager.lock"),
            log_format=section.choice("log_format", logs.FORMATS, "plain"),
            log_level=section.choice("log_level", logs.LEVELS, "info"),
        )
    _check(config)
    return config


def _cluster(section: Section) -> Settings:
    for key in ("username", "password_file", "access_token_file", "credentials_file"):
        if section.has(key):
            raise InputError(
                f"'{section.name(key)}' is not for the lock manager: each person logs in with an "
                "account of their own. Leave it out."
            )
    return parse_cluster(section, environment={})


def _span(section: Section, key: str, default: timedelta) -> timedelta:
    span = section.span(key, default)
    if not timedelta(seconds=1) <= span <= LONGEST_SESSION:
        raise InputError(
            f"'{section.name(key)}' must be from 1s to 10h: a session of the cluster ends then."
        )
    return span


def _check(config: Config) -> None:
    for host in config.allowed_hosts:
        unlike_a_name = re.search(r"[/*,\s]", host) is not None
        if unlike_a_name or (":" in host and not host.startswith("[")):
            raise InputError(
                f"'{host}' in 'allowed_hosts' is not a host name: leave out scheme, port and "
                "wildcards, and write several names as a list."
            )
    if not config.allowed_hosts:
        raise InputError("'allowed_hosts' is empty: name the page, such as [locks.example.com].")
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
    if config.refresh_interval < SHORTEST_REFRESH:
        raise InputError("'refresh_interval' must be 2s at least, for the cluster's sake.")


def _address(key: str, text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as exc:
        raise InputError(
            f"'{text}' in '{key}' is no IP address: write for instance 127.0.0.1."
        ) from exc
