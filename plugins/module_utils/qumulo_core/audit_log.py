# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a cluster's audit log: a frame of syslog around a body in CSV or JSON."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from .audit_frames import APPLICATION, NIL, OPENINGS, MalformedLineError, time_ns_of, unframe

__all__ = ["OK", "AuditRecord", "MalformedLineError", "parse"]

#: Status of an operation that was done.
OK = "ok"

_BOM = "\ufeff"
#: A field as RFC 4180 has it: in quotes, which are doubled inside, or without any.
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')
_FIELDS = 8
#: Digits that an ID may have. The vendor promises no bound; IDs of 97 bits are in use.
_ID_DIGITS = 128
_ID_LIMIT = 10**_ID_DIGITS
# Control characters stand for themselves: a name may have them, whoever wrote the line.
_JSON = json.JSONDecoder(strict=False)


class AuditRecord(NamedTuple):
    """What somebody did to a file or directory.

    Text holds what is not UTF-8 as ``surrogateescape`` does: encoded the same way, a path is what
    the cluster sent, byte for byte. What does not apply is empty.

    :param time_ns: nanoseconds since 1970, by the cluster's clock.
    :param hostname: ``<cluster>-<node>``.
    :param user: name, or an ID in words where the cluster knows no name.
    :param auth_id: of the user; only JSON has it.
    :param sid: of the user; only JSON has it.
    :param file_id: digits without leading zeros, as many as the cluster has sent.
    :param path: absolute on the cluster.
    :param target_path: the second path of operations that have two, such as renames.
    """

    time_ns: int
    hostname: str
    user_ip: str
    user: str
    auth_id: str
    sid: str
    protocol: str
    operation: str
    status: str
    file_id: str
    path: str
    target_path: str


def parse(line: bytes, now_ns: int = 0) -> AuditRecord:
    """Return the record of a line, with or without its LF, CR LF, or the CR of one.

    :param now_ns: the present in nanoseconds since 1970, for lines that another syslog server has
        forwarded without the year; 0: as the clock has it.
    :raises MalformedLineError: it is no line of an audit log.
    """
    text = line.decode("utf-8", "surrogateescape")
    if text[-1:] == "\n":
        text = text[:-1]
    if text[-1:] == "\r":  # what a receiver that cuts at newlines leaves of CR LF
        text = text[:-1]
    parts = text.split(" ", 7)
    # What clusters send, nearly always; frames of all other kinds take the long way.
    try:
        opening, stamp, hostname, application, process, message_id, structured, body = parts
    except ValueError:
        time_ns, hostname, body = unframe(text, now_ns)
    else:
        if (
            application == APPLICATION
            and process == message_id == structured == NIL != hostname
            and hostname
            and opening in OPENINGS
        ):
            time_ns = time_ns_of(stamp)
        else:
            time_ns, hostname, body = unframe(text, now_ns)
    body = body[1:] if body[:1] == _BOM else body
    if body[:1] == "{":
        return _from_json(time_ns, hostname, body)
    # The shape that nearly all lines have: three fields in quotes, and no quote inside. Whatever
    # looks otherwise takes the way that is twice as long and knows every rule.
    pieces = body.split('"')
    if len(pieces) == 7:
        address, user, middle, path, comma, target, rest = pieces
        plain = middle.split(",")
        if len(plain) == 6 and comma == "," and not (rest or plain[0] or plain[5]):
            ip, none, nothing = address.partition(",")
            if none and not nothing:
                _before, protocol, operation, status, file_id, _after = plain
                return _record(
                    time_ns,
                    hostname,
                    ip,
                    user,
                    protocol,
                    operation,
                    status,
                    file_id,
                    path,
                    target,
                )
    return _record(time_ns, hostname, *_fields(body))


# -- CSV ------------------------------------------------------------------------------------


def _fields(body: str) -> list[str]:
    """Return the eight fields of a body with any quoting that RFC 4180 allows."""
    found: list[str] = []
    at = 0
    while len(found) < _FIELDS:
        match = _FIELD.match(body, at)
        if match is None:
            raise MalformedLineError("csv", f"field {len(found) + 1} is not quoted as CSV is")
        quoted, plain, separator = match.groups()
        found.append(plain if quoted is None else quoted.replace('""', '"'))
        at = match.end()
        if not separator:
            break
    else:
        raise MalformedLineError("csv", f"it has more than {_FIELDS} fields")
    if len(found) != _FIELDS:
        raise MalformedLineError("csv", f"it has {len(found)} fields, not {_FIELDS}")
    return found


def _record(
    time_ns: int,
    hostname: str,
    user_ip: str,
    user: str,
    protocol: str,
    operation: str,
    status: str,
    file_id: str,
    path: str,
    target_path: str,
) -> AuditRecord:
    if not (operation and status):
        raise MalformedLineError("csv", "it has no operation or no status")
    return AuditRecord(
        time_ns,
        hostname,
        user_ip,
        user,
        "",
        "",
        protocol,
        operation,
        status,
        _file_id(file_id, "csv") if file_id else "",
        path,
        target_path,
    )


def _file_id(text: str, part: str) -> str:
    """Return an ID as text: it only names a file, so that nothing depends on its size."""
    # int() would take more: signs, spaces, digits of other scripts.
    if text.isdigit() and text.isascii() and len(text) <= _ID_DIGITS:
        return text if text[0] != "0" else text.lstrip("0") or "0"
    raise MalformedLineError(part, f"{text[:40]!r} is not a file ID")


# -- JSON -----------------------------------------------------------------------------------


def _from_json(time_ns: int, hostname: str, body: str) -> AuditRecord:
    try:
        data, end = _JSON.raw_decode(body)
    except (ValueError, RecursionError) as exc:
        raise MalformedLineError("json", f"its JSON can not be read ({exc})") from exc
    if body[end:].strip(" \t\r\n"):
        raise MalformedLineError("json", "something follows its JSON")
    user, details = _object(data, "user_id"), _object(data, "details")
    operation, status = _text(data, "operation"), _text(data, "status")
    if not (operation and status):
        raise MalformedLineError("json", "it has no operation or no status")
    return AuditRecord(
        time_ns,
        hostname,
        _text(data, "user_ip"),
        _text(user, "name"),
        _text(user, "auth_id"),
        _text(user, "sid"),
        _text(data, "protocol"),
        operation,
        status,
        _file_id(number, "json") if (number := _text(details, "file_id")) else "",
        _text(details, "path"),
        _text(details, "target") or _text(details, "second_extra_name"),
    )


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedLineError("json", f"{name} is no object")
    return value


def _text(data: dict[str, Any], name: str) -> str:
    """Return a text or the digits of a number; empty if there is none."""
    value = data.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and -1 < value < _ID_LIMIT:
        return str(value)
    if not isinstance(value, str):
        raise MalformedLineError("json", f"{name} is no text")
    if not value.isascii():
        try:
            # An escape such as \ud800 alone is no character, and no byte either.
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as exc:
            raise MalformedLineError("json", f"{name} is no Unicode") from exc
    return value
