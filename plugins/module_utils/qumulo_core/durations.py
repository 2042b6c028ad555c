# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans of time and moments, as people write them."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from .errors import InputError
from .times import format_rfc3339, parse_rfc3339

_SPAN = re.compile(r"(\d{1,6})\s*(s|min|h|d|w|m|y)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_FIXED = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_SPANS = "30d, 6w, 6m (months) or 2y"


@dataclass(frozen=True)
class Span:
    """A number of one unit; months and years are those of the calendar."""

    count: int
    unit: str

    def after(self, moment: datetime) -> datetime:
        """Return the moment that lies this span after another one.

        A month ends where the calendar's does: a month after 31 January is 28 or 29 February.

        :raises InputError: the result is beyond the calendar.
        """
        try:
            if self.unit in _FIXED:
                return moment + self.count * _FIXED[self.unit]
            months = self.count * (12 if self.unit == "y" else 1)
            year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
            day = min(moment.day, calendar.monthrange(year, month + 1)[1])
            return moment.replace(year=year, month=month + 1, day=day)
        except (ValueError, OverflowError, calendar.IllegalMonthError) as exc:
            raise InputError(
                f"{self} from {format_rfc3339(moment)} is beyond the year 9999."
            ) from exc

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


def parse_span(text: str) -> Span:
    """Return a span such as ``30d``: s, min, h, d, w (weeks), m (months) or y (years).

    :raises InputError: it is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise InputError(f"'{text}' is not a span of time: write {_SPANS}.")
    return Span(int(match.group(1)), match.group(2))


def parse_timedelta(text: str) -> timedelta:
    """Return a span of fixed length, such as ``5min`` or ``1d``.

    :raises InputError: it is none, or its length depends on the calendar.
    """
    span = parse_span(text)
    if span.unit not in _FIXED:
        raise InputError(f"'{text}' has no fixed length: write days or weeks, such as 30d.")
    return span.count * _FIXED[span.unit]


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that ``text`` names, aware, in UTC.

    :param text: a span from ``now`` on (``30d``), a date (its last second, so that the day is
        covered), or an RFC 3339 time.
    :raises InputError: it is none of these.
    """
    text = text.strip()
    if _SPAN.fullmatch(text):
        return parse_span(text).after(now)
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as exc:
            raise InputError(f"'{text}' is no date of the calendar ({exc}): correct it.") from exc
        return datetime.combine(day, time(23, 59, 59), timezone.utc)
    if not text[:4].isdigit() or "T" not in text.upper():
        raise InputError(
            f"'{text}' is neither a span ({_SPANS}) nor a date (2027-12-31) "
            "nor an RFC 3339 time (2027-12-31T18:00:00Z)."
        )
    return parse_rfc3339(text)


def is_relative(text: str) -> bool:
    """Tell whether a moment is written as a span from now on."""
    return _SPAN.fullmatch(text.strip()) is not None
