# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
    parse_rfc3339,
)


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_what_is_written_is_read_again(moment: datetime) -> None:
    assert parse_rfc3339(format_rfc3339(moment)) == moment


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)),
    st.integers(-12 * 60, 14 * 60),
)
def test_any_offset_names_the_same_moment(local: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    moment = local.replace(microsecond=0, tzinfo=zone)
    assert parse_rfc3339(moment.isoformat()) == moment


def test_nanoseconds_are_cut_to_microseconds_never_rounded_up() -> None:
    assert parse_rfc3339("2026-01-02T03:04:05.999999999Z").microsecond == 999999


@pytest.mark.parametrize(
    "text", ["", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "soon", "9" * 400]
)
def test_what_is_no_time_is_said_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_rfc3339(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zone", ["+99:99", "+14:60", "+14:01", "-12:01", "-0060", "+24:00"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(InputError, match="time zone that does not exist"):
        parse_rfc3339(f"2027-12-31T18:00:00{zone}")


def test_other_digits_are_refused() -> None:
    with pytest.raises(InputError, match="not an RFC 3339 time"):
        parse_rfc3339("2027-12-31T18:00:0\N{ARABIC-INDIC DIGIT THREE}Z")


@given(st.text())
def test_any_text_gives_a_time_or_an_input_error(text: str) -> None:
    try:
        assert parse_rfc3339(text).tzinfo is timezone.utc
    except InputError:
        pass


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        format_rfc3339(datetime(2026, 1, 2))
