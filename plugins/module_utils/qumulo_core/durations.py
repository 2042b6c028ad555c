# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse spans of time and moments, as users write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

from .errors import InputError
from .times import format_rfc3339, parse_rfc3339

# Only ASCII digits: Python also accepts the digits of other scripts.
_SPAN = re.compile(r"([0-9]+)[ \t]*([A-Za-z]+)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}.*[Tt ].*")
_FIXED = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS = {"mo": 1, "y": 12}
#: Common spellings of units. A bare ``m`` is missing, because it could be minutes or months.
_MEANT = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), "w"),
    **dict.fromkeys(("mon", "mos", "month", "months"), "mo"),
    **dict.fromkeys(("yr", "yrs", "year", "years"), "y"),
    **{unit: unit for unit in (*_FIXED, *_MONTHS)},  # in upper case
}
_DEFAULT_SLACK = timedelta(hours=1)
_MOST = 999_999
_EXAMPLES = "90s, 5min, 12h, 30d, 6w, 6mo (months) or 2y"
#: The calendar repeats after this many months.
_CYCLE = 400 * 12


@dataclass(frozen=True)
class Span:
    """A number of one unit; months and years are those of the calendar."""

    count: int
    unit: str

    @property
    def is_fixed(self) -> bool:
        """True if its length does not depend on its start."""
        return self.unit in _FIXED

    def after(self, moment: datetime) -> datetime:
        """Return the moment that lies this span after another one.

        If the day does not exist in the resulting month, the result is the beginning of the next
        month: one month after 31 January is 1 March, 0:00. So a later start never gives an earlier
        end, and no day is lost.

        :raises InputError: the result is beyond the calendar.
        """
        try:
            if self.is_fixed:
                return moment + self.count * _FIXED[self.unit]
            month = moment.year * 12 + moment.month - 1 + self.count * _MONTHS[self.unit]
            try:
                return moment.replace(year=month // 12, month=month % 12 + 1)
            except ValueError:  # the day, or the year
                month += 1
                midnight = datetime.combine(moment, time(0), moment.tzinfo)
                return midnight.replace(year=month // 12, month=month % 12 + 1, day=1)
        except (ValueError, OverflowError) as exc:
            raise InputError(
                f"{self} from {format_rfc3339(moment)} is beyond the year 9999: write a shorter "
                "span."
            ) from exc

    def lengths(self) -> tuple[timedelta, timedelta]:
        """Return the shortest and the longest length, over all starts."""
        if self.is_fixed:
            length = self.count * _FIXED[self.unit]
            return length, length
        return _lengths(self.count * _MONTHS[self.unit])

    def may_exceed(self, limit: Span) -> bool:
        """Tell whether the span can end later than ``limit`` with the same start.

        Unlike a comparison of two ends, the answer is the same every day.
        """
        if not self.is_fixed and not limit.is_fixed:
            return self.count * _MONTHS[self.unit] > limit.count * _MONTHS[limit.unit]
        return self.lengths()[1] > limit.lengths()[0]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True)
class FixedEnd:
    """The fixed end of a period, independent of its start.

    :param text: as it was written: a date or an RFC 3339 time.
    """

    text: str
    end: datetime

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=64)
def _lengths(months: int) -> tuple[timedelta, timedelta]:
    """Return the shortest and the longest length of a number of months.

    Spans that begin on the first of a month are the shortest and the longest ones: a span that
    ends early because of a missing day began as much later.
    """
    days = [_first(begin + months) - _first(begin) for begin in range(_CYCLE)]
    return timedelta(days=min(days)), timedelta(days=max(days))


def _first(month: int) -> int:
    """Return the number of the first day of a month, which counts from January of year 0."""
    cycles, month = divmod(month, _CYCLE)
    # The cycle of years 400 to 799 is like any other, and within what a date holds.
    return date(400 + month // 12, month % 12 + 1, 1).toordinal() + cycles * 146_097


def parse_span(text: str) -> Span:
    """Return a span such as ``30d``: s, min, h, d, w (weeks), mo (months) or y (years).

    :raises InputError: it is not a span, such as ``6m``, which could be minutes or months.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise InputError(f"'{text}' is not a span of time: write {_EXAMPLES}.")
    return _span(text, *match.groups())


def _span(text: str, digits: str, unit: str) -> Span:
    if unit.lower() == "m":
        raise InputError(
            f"'{text}' could be minutes or months: write {digits}min for minutes or {digits}mo for "
            "months."
        )
    if unit not in _FIXED and unit not in _MONTHS:
        meant = _MEANT.get(unit.lower())
        step = _EXAMPLES if meant is None else f"{digits}{meant}"
        raise InputError(f"'{text}' is not a span of time: write {step}.")
    # Counted first: Python refuses to convert thousands of digits.
    if len(digits.lstrip("0")) > len(str(_MOST)):
        raise InputError(
            f"'{_shortened(text)}' is too long for a span of time: the largest number is {_MOST}."
        )
    return Span(int(digits), unit)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:30]}..."


def parse_timedelta(text: str) -> timedelta:
    """Return a span of fixed length, such as ``5min`` or ``1d``; a bare ``0`` is one, too.

    :raises InputError: it is not a span, or its length depends on the calendar.
    """
    if text.strip() == "0":
        return timedelta(0)
    span = parse_span(text)
    if not span.is_fixed:
        raise InputError(
            f"'{text}' depends on the calendar, and a fixed length is needed here: write days or "
            "weeks, such as 30d."
        )
    return span.count * _FIXED[span.unit]


def parse_slack(text: str | None, period: timedelta) -> timedelta:
    """Return by how much the end of a relative period may differ.

    :param text: None: an hour, or a tenth of the period if that is less.
    :param period: how long it lasts.
    :raises InputError: it is not a span, or not shorter than the period.
    """
    if text is None:
        return min(_DEFAULT_SLACK, period / 10)
    slack = parse_timedelta(text)
    if slack >= period:
        raise InputError(
            f"slack {text} is not shorter than the period itself ({period}), so that any end of it "
            "would do: write a shorter one, or leave slack out."
        )
    return slack


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that ``text`` names, aware, in UTC.

    A part of a second counts as a whole one, so that the moment is never too early.

    :param text: a span from ``now`` on (``30d``), a date (its last second, so that the day is
        covered), or an RFC 3339 time.
    :raises InputError: it is none of these.
    """
    text = text.strip()
    match = _SPAN.fullmatch(text)
    if match is not None:
        return _ceiling(_span(text, *match.groups()).after(now))
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as exc:
            raise InputError(f"'{text}' is not in the calendar ({exc}): correct it.") from exc
        return datetime.combine(day, time(23, 59, 59), timezone.utc)
    if _TIME.fullmatch(text) is None:
        raise InputError(
            f"'{_shortened(text)}' is neither a span ({_EXAMPLES}) nor a date (2027-12-31) "
            "nor an RFC 3339 time (2027-12-31T18:00:00Z)."
        )
    return _ceiling(parse_rfc3339(text))


def _ceiling(moment: datetime) -> datetime:
    if not moment.microsecond:
        return moment
    try:
        return moment.replace(microsecond=0) + timedelta(seconds=1)
    except OverflowError as exc:
        raise InputError(
            f"{format_rfc3339(moment)} is too close to the end of the year 9999."
        ) from exc


def parse_period(text: str) -> Span | FixedEnd:
    """Return a span such as ``30d``, or the end that a date or an RFC 3339 time names.

    :raises InputError: it is none of these.
    """
    text = text.strip()
    if not text[:1].isdigit() or is_relative(text):
        return parse_span(text)
    # Only a span depends on the second argument.
    return FixedEnd(text, parse_moment(text, datetime.now(timezone.utc)))


def is_over(moment: datetime, now: datetime) -> bool:
    """Tell whether a moment that was parsed is not later than ``now``, as a span of zero is."""
    return moment <= _ceiling(now)


def is_relative(text: str) -> bool:
    """Tell whether a moment is written as a span from now on."""
    return _SPAN.fullmatch(text.strip()) is not None
