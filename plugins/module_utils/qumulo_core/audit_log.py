# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a cluster's audit log: an RFC 5424 frame around a body in CSV or JSON."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import QumuloError

#: The APP-NAME of every line that a cluster sends.
APPLICATION = "qumulo"
#: Status of an operation that was done.
OK = "ok"

#: PRI and VERSION, all that there are.
_OPENINGS = frozenset(f"<{priority}>1" for priority in range(192))
_NIL = "-"
_BOM = "\ufeff"
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
#: SD-ELEMENTs, and what follows. A value ends at the first quote that no backslash escapes.
_STRUCTURED = re.compile(r'(?:\[[^]" ]+(?: [^]"= ]+="[^"\\]*(?:\\.[^"\\]*)*")*\])+', re.DOTALL)
#: A field as RFC 4180 has it: in quotes, which are doubled inside, or without any.
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')
_FIELDS = 8
#: Digits that an ID may have. The vendor promises no bound; IDs of 97 bits are in use.
_ID_DIGITS = 128
_ID_LIMIT = 10**_ID_DIGITS
_SECOND = 1_000_000_000
#: Nanoseconds of the last digit of a fraction, by the number of its digits.
_SCALES: tuple[int, ...] = (0, *(10 ** (9 - digits) for digits in range(1, 10)))
_EPOCH = datetime(1970, 1, 1)
# Control characters stand for themselves: a name may have them, whoever wrote the line.
_JSON = json.JSONDecoder(strict=False)


class MalformedLineError(QumuloError):
    """A line is not one of a cluster's audit log.

    :param part: what is wrong with it, for counting: ``frame``, ``time``, ``csv`` or ``json``.
    :param reason: the same in words.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"This is no line of an audit log: {reason}.")
        self.part = part
        self.reason = reason


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


def parse(line: bytes) -> AuditRecord:
    """Return the record of a line, with or without its LF, CR LF, or the CR of one.

    :raises MalformedLineError: it is no line of an audit log.
    """
    text = line.decode("utf-8", "surrogateescape")
    if text[-1:] == "\n":
        text = text[:-1]
    if text[-1:] == "\r":  # what a receiver that cuts at newlines leaves of CR LF
        text = text[:-1]
    parts = text.split(" ", 7)
    if len(parts) != 8:
        raise MalformedLineError("frame", "it has no RFC 5424 header before a message")
    opening, stamp, hostname, application, process, message_id, structured, body = parts
    if opening not in _OPENINGS:
        raise MalformedLineError("frame", "it does not begin with a priority and version 1")
    if not (hostname and process and message_id):
        raise MalformedLineError("frame", "a field of its RFC 5424 header is empty")
    if application != APPLICATION:
        raise MalformedLineError("frame", f"it comes from {application!r}, not {APPLICATION!r}")
    if structured != _NIL:
        body = _after_structured(f"{structured} {body}")
    time_ns = _time_ns(stamp)
    if hostname == _NIL:
        hostname = ""
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


def _after_structured(text: str) -> str:
    """Return the message that follows structured data, which can hold spaces."""
    match = _STRUCTURED.match(text)
    if match is None or text[match.end() : match.end() + 1] != " ":
        raise MalformedLineError("frame", "its structured data is not as RFC 5424 says")
    return text[match.end() + 1 :]


# -- time -----------------------------------------------------------------------------------


def _time_ns(stamp: str) -> int:
    # RFC 5424 allows six digits, and a sender may leave out any number of them.
    if stamp[-1:] == "Z" and stamp[19:20] == ".":
        digits = stamp[20:-1]
        if len(digits) < 10 and digits.isdigit() and digits.isascii():
            return _seconds(stamp[:19]) * _SECOND + int(digits) * _SCALES[len(digits)]
    match = _STAMP.fullmatch(stamp)
    if match is None:
        raise MalformedLineError("time", f"{stamp!r} is no RFC 5424 time")
    moment, fraction, sign, hours, minutes = match.groups()
    seconds = _seconds(moment)
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise MalformedLineError("time", f"{stamp!r} has no possible zone")
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    return seconds * _SECOND + int((fraction or "").ljust(9, "0"))


@lru_cache(maxsize=1024)  # thousands of lines have the same second
def _seconds(moment: str) -> int:
    """Return the seconds since 1970 of ``YYYY-MM-DDThh:mm:ss`` in UTC."""
    try:
        parsed = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S")
    except ValueError as exc:
        raise MalformedLineError("time", f"{moment!r} is no time of the calendar") from exc
    # strptime also takes fewer digits, digits of other scripts, and leap seconds.
    if parsed.isoformat() != moment:
        raise MalformedLineError("time", f"{moment!r} is no time of the calendar")
    return (parsed - _EPOCH) // timedelta(seconds=1)


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
