# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 3339 times, as the REST API writes and reads them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from .errors import InputError

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:?\d\d)",
    re.ASCII,
)
#: Range of time zones in use.
_EARLIEST, _LATEST = timedelta(hours=-12), timedelta(hours=14)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_SECOND = 1_000_000_000


def parse_rfc3339(text: str) -> datetime:
    """Return ``text`` as an aware datetime in UTC.

    The API writes nanoseconds; a datetime holds microseconds, so the rest is cut off.

    :raises InputError: ``text`` is not an RFC 3339 time with a zone.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"'{text}' is not an RFC 3339 time: write it as 2027-01-31T18:00:00Z, with the zone."
        )
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micros = int((match.group(7) or "").ljust(9, "0")[:6])
    offset = _offset(text, match.group(8))
    try:
        local = datetime(year, month, day, hour, minute, second, micros, tzinfo=timezone.utc)
        return local - offset
    except (ValueError, OverflowError) as exc:
        raise InputError(f"'{text}' is not a time of the calendar ({exc}): correct it.") from exc


def _offset(text: str, zone: str) -> timedelta:
    """Return how far a zone is ahead of UTC."""
    if zone in "Zz":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    if zone[0] == "-":
        offset = -offset
    if minutes > 59 or not _EARLIEST <= offset <= _LATEST:
        raise InputError(
            f"'{text}' has a time zone that does not exist ({zone}): write one from -12:00 to "
            "+14:00, or Z for UTC."
        )
    return offset


def format_rfc3339(moment: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC, with microseconds only if there are any."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place here")
    moment = moment.astimezone(timezone.utc)
    timespec = "microseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def parse_rfc3339_ns(text: str) -> int:
    """Return ``text`` as nanoseconds since 1970.

    :raises InputError: ``text`` is not an RFC 3339 time with a zone.
    """
    whole = parse_rfc3339(text).replace(microsecond=0)
    match = _RFC3339.fullmatch(text.strip())
    fraction = (match.group(7) or "") if match is not None else ""
    return (whole - _EPOCH) // timedelta(seconds=1) * _SECOND + int(fraction.ljust(9, "0"))


def format_rfc3339_ns(time_ns: int) -> str:
    """Return nanoseconds since 1970 as RFC 3339 in UTC, with all nine digits.

    :raises OverflowError: the year is beyond 9999.
    """
    seconds, fraction = divmod(time_ns, _SECOND)
    moment = _NAIVE_EPOCH + timedelta(seconds=seconds)
    return f"{moment.isoformat()}.{fraction:09d}Z"
