# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines with the headers that other syslog servers write."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (
    MalformedLineError,
    parse,
)

BODY = b'10.220.151.129,"admin",smb2,fs_create_file,ok,140624751830626345080086044861,"/d/f",""'
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
TIME = 1_769_523_143_000_000_000  # 2026-01-27T14:12:23Z
FRACTION = 955_800_000


@pytest.mark.parametrize(
    ("header", "fraction"),
    [
        (b"<14>1 2026-01-27T14:12:23.9558Z c-1 qumulo - - - ", FRACTION),
        # rsyslog: ForwardFormat and FileFormat, with and without a PROCID
        (b"<14>2026-01-27T14:12:23.9558Z c-1 qumulo ", FRACTION),
        (b"<14>2026-01-27T16:12:23.9558+02:00 c-1 qumulo[12] ", FRACTION),
        (b"2026-01-27T14:12:23.9558Z c-1 qumulo ", FRACTION),
        # rsyslog: the traditional ones
        (b"<14>Jan 27 14:12:23 c-1 qumulo ", 0),
        (b"Jan 27 14:12:23 c-1 qumulo[12] ", 0),
        # syslog-ng, and devices that write the year
        (b"<14>Jan 27 14:12:23 c-1 qumulo[-]: ", 0),
        (b"<14>Jan 27 14:12:23 c-1 qumulo: ", 0),
        (b"<14>Jan 27 2026 14:12:23 c-1 qumulo: ", 0),
        # servers that do not know RFC 5424
        (b"<13>Jan 28 09:00:00 relay 1 2026-01-27T14:12:23.9558Z c-1 qumulo - - - ", FRACTION),
        (b"<13>Jan 28 09:00:00 relay 1: 2026-01-27T14:12:23.9558Z c-1 qumulo - - - ", FRACTION),
        (
            b"<13>2026-01-28T09:00:00Z relay <14>1 2026-01-27T14:12:23.9558Z c-1 qumulo - - - ",
            FRACTION,
        ),
    ],
)
def test_headers_of_other_servers(header: bytes, fraction: int) -> None:
    found = parse(header + BODY + b"\n", TIME + DAY)
    assert found.time_ns == TIME + fraction
    assert (found.hostname, found.path) == ("c-1", "/d/f")
    assert found.file_id == "140624751830626345080086044861"


def test_the_example_of_the_vendors_guide() -> None:
    line = (
        b'Jun 6 14:53:22 my-machine qumulo 10.0.0.1,"AD\\alice",api,fs_read_metadata,ok,3,"/f",""'
    )
    now = int(datetime(2024, 6, 7, tzinfo=timezone.utc).timestamp()) * SECOND
    assert parse(line, now).time_ns == 1_717_685_602 * SECOND
    body = (
        b'Jun 6 14:53:22 my-machine qumulo {"user_id": {"sid": "S-1-5-8", "name": "AD\\\\alice", '
        b'"auth_id": "500"}, "protocol": "api", "operation": "fs_read_metadata", "status": "ok", '
        b'"details": {"path": "/my_file", "file_id": "4"}}'
    )
    assert parse(body, now).path == "/my_file"


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2150, 1, 1)).map(
        lambda m: m.replace(microsecond=0)
    ),
    st.timedeltas(timedelta(minutes=-14), timedelta(days=363)),
    st.booleans(),
)
def test_the_year_is_the_last_that_can_be(used: datetime, later: timedelta, padded: bool) -> None:
    day = f"{used.day:2d}" if padded else str(used.day)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[used.month * 3 - 3 : used.month * 3]
    line = f"<14>{month} {day} {used:%H:%M:%S} c-1 qumulo ".encode() + BODY
    epoch = datetime(1970, 1, 1)
    now = (used + later - epoch) // timedelta(microseconds=1) * 1000
    assert parse(line, now).time_ns == (used - epoch) // timedelta(seconds=1) * SECOND


@pytest.mark.parametrize("hours", [1, 5, 14])
def test_a_time_of_another_zone_is_refused_if_it_is_still_to_come(hours: int) -> None:
    with pytest.raises(MalformedLineError) as caught:
        parse(b"<14>Jan 27 14:12:23 c-1 qumulo " + BODY, TIME - hours * 3600 * SECOND)
    assert caught.value.part == "zone"
    assert "use the template RSYSLOG_SyslogProtocol23Format" in caught.value.reason


@given(
    st.one_of(
        st.binary(),
        st.binary().map(lambda raw: b"<14>Jan 27 14:12:23 c-1 qumulo" + raw),
        st.binary().map(lambda raw: b"Jan 27 14:12:23 c-1 1 2026-01-27T14:12:23Z " + raw),
        st.binary().map(lambda raw: b"2026-01-27T14:12:23Z " + raw),
        st.from_regex(
            rb"<\d{1,3}>(Jan|Feb) [0-9]{1,2} [0-9:]{8} c qumulo(\[x\])?:? ", fullmatch=True
        ),
    )
)
def test_nothing_else_than_the_typed_error_is_raised(line: bytes) -> None:
    try:
        parse(line)
    except MalformedLineError:
        pass
