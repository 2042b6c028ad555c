# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks: each asks the cluster one thing and judges the answer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from ..client import Client
from ..common.addresses import canonical
from ..errors import MissingPrivilegeError, NotFoundError, QumuloError
from ..settings import Settings
from .findings import FAILED, OK, WARNING, Finding
from .needs import NEEDS, SERVICES, Needs
from .nodes import check_nodes, reachable

#: Clocks that differ by more make retention periods wrong (the guard of ``qumulo_file_lock``).
MAX_SKEW = timedelta(minutes=5)
#: Differences below this are of no interest to anybody.
SKEW_WORTH_A_WORD = timedelta(seconds=5)


def judge_privileges(service: str, needs: Needs, granted: Collection[str]) -> Finding:
    """Decide whether an account has the privileges that a service needs."""
    subject = f"privileges for {service}"
    lacking = [name for name in needs.required if name not in granted]
    if lacking:
        return Finding(
            subject,
            FAILED,
            f"{', '.join(lacking)} is missing: grant it to a role of the account "
            "(qq auth_modify_role --role ROLE --grant PRIVILEGE).",
        )
    useful = [(name, loss) for name, loss in needs.useful if name not in granted]
    if useful:
        losses: dict[str, list[str]] = {}
        for name, loss in useful:
            losses.setdefault(loss, []).append(name)
        told = "; ".join(f"without {' and '.join(names)} {loss}" for loss, names in losses.items())
        return Finding(subject, WARNING, f"{told}.")
    return Finding(subject, OK, "all there.")


def judge_skew(skew: timedelta, uncertainty: float) -> Finding:
    """Decide whether the clocks of cluster and host agree."""
    off = max(timedelta(0), abs(skew) - timedelta(seconds=uncertainty))
    which = "ahead of" if skew > timedelta(0) else "behind"
    text = f"the cluster's clock is {abs(skew).total_seconds():.1f} s {which} this host's"
    if off > MAX_SKEW:
        return Finding("clock", FAILED, f"{text}: correct the one that is wrong (NTP).")
    if off > SKEW_WORTH_A_WORD:
        return Finding("clock", WARNING, f"{text}: let both follow the same NTP servers.")
    return Finding("clock", OK, "the clocks of cluster and host agree.")


def judge_notify(mode: str) -> Finding:
    """Decide whether a watcher hears of all that happens below a directory."""
    if mode == "ENABLED":
        return Finding("notifications", OK, "recursive ones are enabled.")
    silently = " without saying so" if mode == "DISABLED_IGNORE" else ""
    return Finding(
        "notifications",
        FAILED,
        f"recursive ones are off ({mode}), so that only the top directory is watched{silently}: "
        "switch them on (qq fs_set_notify_settings --recursive-mode ENABLED).",
    )


def judge_atime(settings: dict[str, Any]) -> Finding:
    """Decide whether the cluster writes access times itself."""
    if not settings.get("enabled"):
        return Finding("access times", OK, "the cluster does not write them itself.")
    return Finding(
        "access times",
        WARNING,
        f"the cluster writes them itself (granularity {settings.get('granularity')}), and two "
        "writers get into each other's way: use the cluster's or the syncer's.",
    )


def judge_audit(config: dict[str, Any], here: Collection[str]) -> Finding:
    """Decide whether the audit log reaches this host."""
    if not config.get("enabled"):
        return Finding(
            "audit log",
            WARNING,
            "it is switched off: nothing reaches the syncer (audit_syslog_set_config of qq).",
        )
    address = str(config.get("server_address", ""))
    where = f"it goes to {address} port {config.get('server_port')}"
    if canonical(address) not in here:
        try:
            found = {canonical(str(entry[4][0])) for entry in socket.getaddrinfo(address, None)}
        except (OSError, UnicodeError):
            text = f"{where}, a host name that cannot be resolved: check its spelling, and DNS."
            return Finding("audit log", WARNING, text)
        if found.intersection(here):
            return Finding("audit log", OK, f"{where}, in {config.get('format')}.")
        return Finding("audit log", WARNING, f"{where}, which is not an address of this host.")
    return Finding("audit log", OK, f"{where}, in {config.get('format')}.")


def own_addresses(toward: Iterable[str] = ()) -> set[str]:
    """Return the names and addresses of this host: as its name tells, and on the way to others.

    :param toward: hosts; nothing is sent to them.
    """
    names = {socket.gethostname(), socket.getfqdn(), "localhost", "127.0.0.1", "::1"}
    for name in tuple(names):
        try:
            names |= {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
        except OSError:
            pass  # a name without an address tells nothing
    for host in toward:
        try:
            for family, kind, protocol, _name, address in socket.getaddrinfo(
                host, 9, type=socket.SOCK_DGRAM
            ):
                with socket.socket(family, kind, protocol) as way:
                    way.connect(address)  # asks the routing table alone
                    names.add(str(way.getsockname()[0]))
        except OSError:
            pass  # there is no way
    return names


def _asked(subject: str, ask: Callable[[], Finding]) -> Finding:
    """Return the finding, or what the cluster answered instead."""
    try:
        return ask()
    except MissingPrivilegeError as exc:
        return Finding(subject, WARNING, f"can not be looked at: {exc.message}")
    except NotFoundError:
        return Finding(subject, WARNING, "this version of Qumulo Core does not have the setting.")
    except QumuloError as exc:
        return Finding(subject, FAILED, exc.message)


def _questions(
    client: Client, services: Collection[str]
) -> Iterator[tuple[str, Callable[[], Finding]]]:
    settings = "/v1/file-system/settings"
    yield "version", lambda: Finding("version", OK, f"{client.version()}.")
    yield "clock", lambda: judge_skew(client.clock().skew, client.clock().uncertainty)
    if "watcher" in services:
        yield (
            "notifications",
            lambda: judge_notify(str(client.get(f"{settings}/notify")["recursive_mode"])),
        )
    if "atime" in services:
        yield from _about_atime(client)


def _about_atime(client: Client) -> Iterator[tuple[str, Callable[[], Finding]]]:
    yield (
        "access times",
        lambda: judge_atime(client.get("/v1/file-system/settings/atime")),
    )
    here = own_addresses(client.settings.hosts)
    yield "audit log", lambda: judge_audit(client.get("/v1/audit/syslog/config"), here)


def look_at_atime(client: Client) -> list[Finding]:
    """Return what the cluster's settings mean to the access-time syncer."""
    return [_asked(subject, ask) for subject, ask in _about_atime(client)]


def run(settings: Settings, services: Sequence[str] = SERVICES) -> Iterable[Finding]:
    """Yield what each check finds, as it finds it.

    :param services: parts that the account shall be good for: of :data:`needs.SERVICES`.
    :raises InputError: ``ca_path`` or a secret can not be used.
    """
    nodes = check_nodes(settings)
    yield from nodes
    answering = reachable(settings, nodes)
    if answering is None:
        return
    with Client(answering) as client:
        try:
            account = client.who_am_i()
        except QumuloError as exc:
            yield Finding("credentials", FAILED, exc.message)
            return
        yield Finding("credentials", OK, f"logged in as {account.get('name')}.")
        granted = set(account.get("privileges", ()))
        for service in services:
            yield judge_privileges(service, NEEDS[service], granted)
        for subject, ask in _questions(client, services):
            yield _asked(subject, ask)
