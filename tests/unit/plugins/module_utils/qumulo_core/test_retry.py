# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.retry import (
    BACKOFF_CAP,
    backoff,
    is_idempotent,
    parse_retry_after,
)

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("method", "uri"),
    [
        ("GET", "/v1/anything"),
        ("PUT", "/v3/snapshots/7"),
        ("DELETE", "/v3/snapshots/7"),
        ("POST", "/v1/session/login"),
        ("POST", "/v1/files/resolve"),
        ("POST", "/v1/files/resolve?snapshot=3"),
        ("POST", "/v1/identity/find"),
        ("POST", "/v1/smb/files/close"),
        ("PATCH", "/v1/files/%2Fa%2Fb/file-lock"),
        ("PATCH", "/v1/files/17/info/attributes"),
        ("PATCH", "/v3/snapshots/7"),
    ],
)
def test_requests_that_may_be_repeated(method: str, uri: str) -> None:
    assert is_idempotent(method, uri)


@pytest.mark.parametrize(
    ("method", "uri"),
    [
        ("POST", "/v3/snapshots/"),
        ("POST", "/v1/files/2/entries/"),
        ("POST", "/v3/snapshots/7/lock"),
        ("POST", "/v1/smb/sessions/close"),
        ("POST", "/v1/auth/access-tokens/"),
        ("POST", "/v1/files/resolve/anything-else"),
        ("PATCH", "/v1/files/17/data"),
    ],
)
def test_requests_that_must_not_be_repeated(method: str, uri: str) -> None:
    assert not is_idempotent(method, uri)


@given(st.integers(), st.integers(1, 60))
def test_waits_have_full_jitter_below_a_ceiling_that_doubles(seed: int, count: int) -> None:
    ceiling = 0.1
    for wait in islice(backoff(Random(seed)), count):
        assert 0 <= wait <= min(ceiling, BACKOFF_CAP)
        ceiling *= 2


@given(st.text() | st.none())
def test_any_retry_after_header_gives_seconds_or_nothing(value: str | None) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(-1000, 1000))
def test_retry_after_as_a_date(offset: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=offset), usegmt=True)
    assert parse_retry_after(header, NOW) == max(0, offset)


def test_retry_after_in_seconds() -> None:
    assert parse_retry_after(" 7 ") == 7.0
