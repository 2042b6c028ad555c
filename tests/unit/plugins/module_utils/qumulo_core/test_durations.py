# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.durations import (
    is_relative,
    parse_moment,
    parse_span,
    parse_timedelta,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

NOW = datetime(2024, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", datetime(2024, 1, 31, 12, 1, 30)),
        ("5min", datetime(2024, 1, 31, 12, 5)),
        ("36h", datetime(2024, 2, 2, 0, 0)),
        ("30d", datetime(2024, 3, 1, 12, 0)),
        ("6w", datetime(2024, 3, 13, 12, 0)),
        ("1m", datetime(2024, 2, 29, 12, 0)),
        ("13m", datetime(2025, 2, 28, 12, 0)),
        ("6m", datetime(2024, 7, 31, 12, 0)),
        ("2y", datetime(2026, 1, 31, 12, 0)),
        ("2027-12-31", datetime(2027, 12, 31, 23, 59, 59)),
        ("2027-12-31T18:00:00+02:00", datetime(2027, 12, 31, 16, 0)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1.5d", "30 days", "2027-13-01", "2027-02-30", "99999y", "soon"]
)
def test_what_is_no_moment_is_said_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_moment(text, NOW)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_gives_a_moment_or_an_input_error(text: str) -> None:
    try:
        assert parse_moment(text, NOW).tzinfo is timezone.utc
    except InputError:
        pass


@given(
    st.integers(0, 5000),
    st.sampled_from(["s", "min", "h", "d", "w", "m", "y"]),
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)),
)
def test_a_span_never_leads_back(count: int, unit: str, moment: datetime) -> None:
    try:
        assert parse_span(f"{count}{unit}").after(moment) >= moment
    except InputError:
        assert unit == "y" or (unit == "m" and count > 1000)


def test_a_slack_has_a_fixed_length() -> None:
    assert parse_timedelta("2w") == timedelta(weeks=2)
    with pytest.raises(InputError, match="fixed length"):
        parse_timedelta("1m")


def test_what_is_relative() -> None:
    assert is_relative(" 30d ") and not is_relative("2027-12-31")
