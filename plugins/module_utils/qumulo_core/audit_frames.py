# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of audit lines: RFC 5424 as a cluster sends it, and what syslog servers make of it.

A server that forwards lines writes a header of its own, by a template. What the header has lost,
such as the year, is taken from the present.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from functools import lru_cache

from .errors import QumuloError

#: The APP-NAME of every line that a cluster sends.
APPLICATION = "qumulo"
#: PRI and VERSION, all that there are.
OPENINGS = frozenset(f"<{priority}>1" for priority in range(192))
NIL = "-"
_SECOND = 1_000_000_000
#: Nanoseconds of the last digit of a fraction, by the number of its digits.
_SCALES: tuple[int, ...] = (0, *(10 ** (9 - digits) for digits in range(1, 10)))
_EPOCH = datetime(1970, 1, 1)
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
#: SD-ELEMENTs, and what follows. A value ends at the first quote that no backslash escapes.
_STRUCTURED = re.compile(r'(?:\[[^]" ]+(?: [^]"= ]+="[^"\\]*(?:\\.[^"\\]*)*")*\])+', re.DOTALL)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = (
    r"\d{4}-\d\d-\d\dT[^ ]+|"
    rf"(?:{'|'.join(_MONTHS)}) {{1,2}}\d{{1,2}} (?:\d{{4}} )?\d\d:\d\d:\d\d"
)
#: PRI, which some servers leave out, time, host and tag, as of RFC 3164.
_FORWARDED = re.compile(
    rf"(?:<(?P<pri>\d{{1,3}})>)?(?P<date>{_DATE}) (?P<host>[^ ]+) "
    r"(?P<tag>[^ :\[]+)(?:\[[^] ]*\])?(?:: ?| )(?P<body>.*)",
    re.ASCII | re.DOTALL,
)
#: A header before the whole RFC 5424 line, of a server that does not know this format.
_WRAPPED = re.compile(
    rf"(?:<\d{{1,3}}>)?(?:{_DATE}) [^ ]+ (?:<\d{{1,3}}>)?1:? (?P<line>\d{{4}}-\d\d-\d\dT.*)",
    re.ASCII | re.DOTALL,
)
#: A time without a zone is UTC, as a cluster sends it. One that is further ahead of the present is
#: some other zone's: it would set times that never come back.
_AHEAD, _DAY = 15 * 60 * _SECOND, 86_400 * _SECOND


class MalformedLineError(QumuloError):
    """A line is not one of a cluster's audit log.

    :param part: what is wrong with it, for counting: ``frame``, ``application``, ``time``,
        ``zone``, ``csv`` or ``json``.
    :param reason: the same in words.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"This is no line of an audit log: {reason}.")
        self.part = part
        self.reason = reason


def unframe(text: str, now_ns: int) -> tuple[int, str, str]:
    """Return the nanoseconds since 1970, the host and the message of a line.

    :param now_ns: the present, for lines without a year; 0: as the clock has it.
    :raises MalformedLineError: it is no line of an audit log.
    """
    parts = text.split(" ", 7)
    if len(parts) == 8:
        opening, stamp, hostname, application, process, message_id, structured, body = parts
        if opening in OPENINGS:
            if not (hostname and process and message_id):
                raise MalformedLineError("frame", "a field of its RFC 5424 header is empty")
            if application != APPLICATION:
                raise _foreign(application)
            if structured != NIL:
                body = _after_structured(f"{structured} {body}")
            return time_ns_of(stamp), "" if hostname == NIL else hostname, body
    return _forwarded(text, now_ns)


def _foreign(application: str) -> MalformedLineError:
    return MalformedLineError(
        "application", f"it comes from {application[:60]!r}, not {APPLICATION!r}"
    )


def _after_structured(text: str) -> str:
    """Return the message that follows structured data, which can hold spaces."""
    match = _STRUCTURED.match(text)
    if match is None or text[match.end() : match.end() + 1] != " ":
        raise MalformedLineError("frame", "its structured data is not as RFC 5424 says")
    return text[match.end() + 1 :]


def _forwarded(text: str, now_ns: int) -> tuple[int, str, str]:
    """Return the parts of a line to which another syslog server has given a header."""
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is not None:
        line = f"<14>1 {wrapped['line']}"
        return unframe(line, now_ns)
    match = _FORWARDED.fullmatch(text)
    if match is None or int(match["pri"] or 0) > 191:
        raise MalformedLineError(
            "frame",
            "it has no header of RFC 5424, nor one that a syslog server makes of it"
            if text
            else "it is empty",
        )
    if match["tag"] != APPLICATION:
        raise _foreign(match["tag"])
    date = match["date"]
    time_ns = time_ns_of(date) if date[4:5] == "-" else _without_zone(date, now_ns)
    host = match["host"]
    return time_ns, "" if host == NIL else host, match["body"].lstrip(" ")


# -- time -----------------------------------------------------------------------------------


def time_ns_of(stamp: str) -> int:
    """Return the nanoseconds since 1970 of an RFC 5424 time.

    :raises MalformedLineError: it is none.
    """
    # RFC 5424 allows six digits, and a sender may leave out any number of them.
    digits = stamp[20:-1]
    if digits.isdigit() and len(digits) < 10 and stamp[19] == "." and stamp[-1] == "Z":
        if digits.isascii():
            return _seconds(stamp[:19]) * _SECOND + int(digits) * _SCALES[len(digits)]
    elif stamp[19:] == "Z":
        return _seconds(stamp[:19]) * _SECOND
    match = _STAMP.fullmatch(stamp)
    if match is None:
        raise MalformedLineError("time", f"{stamp[:60]!r} is no RFC 5424 time")
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


def _without_zone(date: str, now_ns: int) -> int:
    """Return the time of ``Mmm dd [YYYY] hh:mm:ss`` in UTC: the last one that is not to come.

    :raises MalformedLineError: the calendar does not have it, or it is still to come.
    """
    now_ns = now_ns or time.time_ns()
    month, day, *year, clock = date.split()
    rest = f"{_MONTHS.index(month) + 1:02d}-{int(day):02d}T{clock}"
    this = time.gmtime((now_ns + _DAY) // _SECOND).tm_year
    # Eight years back there is a 29th of February for certain.
    for candidate in year or [f"{number:04d}" for number in range(this, this - 9, -1)]:
        try:
            found = _seconds(f"{candidate}-{rest}") * _SECOND
        except MalformedLineError:
            continue
        if found > now_ns + _DAY and not year:
            continue
        if found > now_ns + _AHEAD:
            raise MalformedLineError(
                "zone",
                f"{date!r} is still to come in UTC, because the server that forwards it writes "
                "the time of its own zone: use the template RSYSLOG_SyslogProtocol23Format there",
            )
        return found
    raise MalformedLineError("time", f"{date!r} is no time of the calendar")
