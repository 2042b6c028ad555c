# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import calendar
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.durations import (
    Span,
    is_relative,
    parse_moment,
    parse_span,
    parse_timedelta,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    parse_rfc3339,
)

NOW = datetime(2024, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", datetime(2024, 1, 31, 12, 1, 30)),
        ("5min", datetime(2024, 1, 31, 12, 5)),
        ("36h", datetime(2024, 2, 2, 0, 0)),
        ("30d", datetime(2024, 3, 1, 12, 0)),
        ("6w", datetime(2024, 3, 13, 12, 0)),
        ("5 min", datetime(2024, 1, 31, 12, 5)),
        ("1mo", datetime(2024, 3, 1, 0, 0)),
        ("13mo", datetime(2025, 3, 1, 0, 0)),
        ("6mo", datetime(2024, 7, 31, 12, 0)),
        ("11mo", datetime(2024, 12, 31, 12, 0)),
        ("2y", datetime(2026, 1, 31, 12, 0)),
        ("2027-12-31", datetime(2027, 12, 31, 23, 59, 59)),
        ("2027-12-31T18:00:00+02:00", datetime(2027, 12, 31, 16, 0)),
        ("2027-12-31 18:00:00+00:00", datetime(2027, 12, 31, 18, 0)),
        ("2027-12-31T18:00:00.2Z", datetime(2027, 12, 31, 18, 0, 1)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "0",
        "d",
        "-1d",
        "1.5d",
        "2027-13-01",
        "2027-02-30",
        "99999y",
        "soon",
        "\N{ARABIC-INDIC DIGIT THREE}d",
        "\N{FULLWIDTH DIGIT TWO}027-12-31",
        "2027-12-31T18:00:00",
        "2027-12-31T18:00:60Z",
        "2027-12-31T18:00:00+99:99",
        "9999-12-31T23:59:59.9Z",
        "9" * 10_000 + "d",
        "9" * 10_000,
    ],
)
def test_what_is_no_moment_is_said_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_moment(text, NOW)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "read", [parse_span, parse_timedelta, lambda text: parse_moment(text, NOW)]
)
@pytest.mark.parametrize("text", ["6m", "6M", "6 m", " 06m "])
def test_a_bare_m_is_refused_with_both_meanings(read: Any, text: str) -> None:
    with pytest.raises(InputError, match=r"write 0?6min for minutes or 0?6mo for months"):
        read(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5minutes", "5min"),
        ("5 MIN", "5min"),
        ("30 days", "30d"),
        ("1month", "1mo"),
        ("2MO", "2mo"),
        ("12H", "12h"),
        ("2years", "2y"),
    ],
)
def test_other_words_for_a_unit_are_refused_with_the_right_one(text: str, meant: str) -> None:
    for read in (parse_span, parse_timedelta, lambda text: parse_moment(text, NOW)):
        with pytest.raises(InputError, match=rf"'{text}' is not a span of time: write {meant}\."):
            read(text)


@given(st.text())
def test_any_text_gives_a_moment_or_an_input_error(text: str) -> None:
    try:
        assert parse_moment(text, NOW).tzinfo is timezone.utc
    except InputError:
        pass


SPANS = st.builds(
    Span, st.integers(0, 5000), st.sampled_from(["s", "min", "h", "d", "w", "mo", "y"])
)
MOMENTS = st.datetimes(
    datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)
) | st.builds(
    # About the end of a month, where calendars are difficult.
    lambda year, month, seconds: (
        datetime(year, month, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    ),
    st.integers(1999, 2105),
    st.integers(1, 12),
    st.integers(-4 * 86400, 86400),
)


@given(SPANS, MOMENTS)
def test_a_span_never_leads_back(span: Span, moment: datetime) -> None:
    assert span.after(moment) >= moment


@given(SPANS, MOMENTS, MOMENTS)
def test_a_later_beginning_never_has_an_earlier_end(
    span: Span, one: datetime, other: datetime
) -> None:
    earlier, later = sorted((one, other))
    assert span.after(earlier) <= span.after(later)
    assert parse_moment(str(span), earlier) <= parse_moment(str(span), later)


@given(st.integers(0, 60), st.sampled_from(["mo", "y"]), MOMENTS)
def test_months_are_never_shorter_than_the_calendar_has_them(
    count: int, unit: str, moment: datetime
) -> None:
    end = Span(count, unit).after(moment)
    month = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
    year, month = divmod(month, 12)
    last = calendar.monthrange(year, month + 1)[1]
    clamped = moment.replace(year=year, month=month + 1, day=min(moment.day, last))
    assert clamped <= end < clamped + timedelta(days=1)
    assert (end == clamped) == (moment.day <= last)


@given(SPANS, MOMENTS)
def test_a_length_is_between_the_least_and_the_greatest(span: Span, moment: datetime) -> None:
    least, greatest = span.lengths()
    assert least <= span.after(moment) - moment <= greatest


@given(SPANS, SPANS, MOMENTS)
def test_what_may_not_exceed_a_limit_never_does(span: Span, limit: Span, moment: datetime) -> None:
    if not span.may_exceed(limit):
        assert span.after(moment) <= limit.after(moment)


@pytest.mark.parametrize(
    ("span", "limit", "expected"),
    [
        ("1y", "1y", False),
        ("12mo", "1y", False),
        ("13mo", "1y", True),
        ("365d", "1y", False),
        ("366d", "1y", True),
        ("1y", "366d", False),
        ("1y", "365d", True),
        ("1mo", "31d", False),
        ("31d", "1mo", True),
        ("28d", "1mo", False),
        ("99999y", "99999y", False),
    ],
)
def test_which_span_may_exceed_which(span: str, limit: str, expected: bool) -> None:
    assert parse_span(span).may_exceed(parse_span(limit)) is expected


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("1mo", "2027-01-28T20:00:00Z", "2027-01-29T08:00:00Z"),
        ("1mo", "2027-01-30T20:00:00Z", "2027-01-31T08:00:00Z"),
        ("1mo", "2027-01-31T20:00:00Z", "2027-02-01T08:00:00Z"),
        ("1y", "2028-02-28T20:00:00Z", "2028-02-29T08:00:00Z"),
        ("1y", "2028-02-29T20:00:00Z", "2028-03-01T08:00:00Z"),
        ("6mo", "2027-08-30T20:00:00Z", "2027-08-31T08:00:00Z"),
        ("6mo", "2027-08-31T20:00:00Z", "2027-09-01T08:00:00Z"),
    ],
)
def test_the_next_day_asks_for_no_less(text: str, first: str, second: str) -> None:
    ends = [parse_moment(text, parse_rfc3339(moment)) for moment in (first, second)]
    assert ends == sorted(ends)


def test_a_slack_has_a_fixed_length() -> None:
    assert parse_timedelta("2w") == timedelta(weeks=2)
    with pytest.raises(InputError, match="fixed length"):
        parse_timedelta("1mo")
    assert parse_timedelta("0") == parse_timedelta("0s") == timedelta(0)


def test_what_is_relative() -> None:
    assert is_relative(" 30d ") and not is_relative("2027-12-31")
