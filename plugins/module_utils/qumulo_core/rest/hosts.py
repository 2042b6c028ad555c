# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the addresses of a cluster's nodes, as users write them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ..errors import InputError

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_PORT = re.compile(r"(?P<host>[^:]*|\[[^\]]*\]):(?P<port>[0-9]*)\Z")
_LONGEST = 253
#: Characters that the old and the new standard of international names encode differently.
_AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")


def parse_hosts(texts: Iterable[str], port: int) -> tuple[str, ...]:
    """Return names and addresses in the form that connections need.

    A string can hold several, separated by commas. An IPv6 address may be in brackets, and a host
    may be followed by the configured port.

    :param port: the configured port.
    :raises InputError: there is no host, or one is invalid.
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    hosts = tuple(dict.fromkeys(_host(part, port) for part in parts if part))
    if not hosts:
        raise InputError("No cluster is named: set 'host' (or QUMULO_HOST) to its address.")
    return hosts


def parse_address_of(text: str, option: str, port_option: str) -> str:
    """Return the name or address of one host that is no node of the cluster, in its usual form.

    :param option: what holds it, for messages.
    :param port_option: where its port belongs.
    :raises InputError: it is empty, or written in another form.
    """
    found = _PORT.match(text)
    if found is not None or text.startswith("["):
        bare = text.strip("[]") if found is None else found["host"].strip("[]")
        raise InputError(
            f"{option} '{text}' is not a host: write {bare!r}, and the port in {port_option}."
        )
    if not text.strip() or any(character in text for character in "@/,%"):
        raise InputError(
            f"{option} '{text}' is not a host: write one name or address, such as 10.0.0.5."
        )
    try:
        return _address(text) or _name(text)
    except InputError as exc:
        raise InputError(f"{option}: {exc}") from exc


def _host(text: str, port: int) -> str:
    if "@" in text:
        raise InputError(
            "'host' has an '@': set it to the host only, and set 'username' and 'password'."
        )
    if "://" in text or "/" in text:
        bare = text.rpartition("://")[2].partition("/")[0]
        raise InputError(
            f"'{text}' is not a host: write {_suggestion(bare)} without scheme and path."
        )
    if any(character.isspace() for character in text):
        raise InputError(
            f"'{text}' is not a host: it has a blank. Write one host, or several separated by "
            "commas."
        )
    if "%" in text:
        raise InputError(
            f"'{text}' has an IPv6 zone, which certificates do not know: write a name or an "
            "address without '%'."
        )
    with_port = _PORT.match(text)
    if with_port is not None:
        if with_port["port"] != str(port):
            raise InputError(
                f"'{text}' names a port other than {port}: write {_suggestion(text)} (QUMULO_PORT)."
            )
        text = with_port["host"]
    return _address(text) or _name(text)


def _suggestion(text: str) -> str:
    """Return how to write a host that came with a port."""
    found = _PORT.match(text)
    if found is None:
        return f"'{text}'"
    return f"'{found['host']}' and set 'port' to {found['port'] or 'its port'}"


def _address(text: str) -> str | None:
    """Return an address in its usual form, or None if it is a name."""
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ipaddress.ip_address(text[1:-1] if bracketed else text)
    except ValueError as exc:
        if ":" in text or "[" in text or "]" in text:
            raise InputError(
                f"'{text}' is not an IPv6 address: write for instance 2001:db8::1."
            ) from exc
        if re.fullmatch(r"[0-9][0-9.]*", text):
            raise InputError(
                f"'{text}' is not an IPv4 address: write four numbers, such as 10.0.0.11."
            ) from exc
        return None
    if bracketed and address.version == 4:
        raise InputError(f"'{text}' is not a host: write {address} without brackets.")
    return str(getattr(address, "ipv4_mapped", None) or address)


def _name(text: str) -> str:
    """Return a name in its ASCII form, which certificates have, without the dot of the root."""
    name = text[:-1] if text.endswith(".") else text
    if not name.isascii() and not _AMBIGUOUS.intersection(name):
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            pass  # it is refused below, with the others
    if len(name) > _LONGEST or not all(_LABEL.match(label) for label in name.split(".")):
        raise InputError(
            f"'{text}' is not a host name or address: write for instance qumulo.example.com, or "
            "an international name in its ASCII form (xn--...)."
        )
    return name
