# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in to the lock manager, how often, and how many times at once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import BusyError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.accounts import (  # noqa: E501
    Account,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.sessions import (  # noqa: E501
    Session,
    Sessions,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.throttle import (  # noqa: E501
    PER_ACCOUNT,
    PER_ADDRESS,
    Throttle,
    Try,
)


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_account_has_a_few_sessions_and_the_oldest_ends(clock: Clock) -> None:
    ended: list[str] = []

    def note(session: Session) -> None:
        ended.append(session.id)

    sessions = Sessions(idle=600, lifetime=600, limit=3, per_account=2, ended=note, monotonic=clock)
    client: Any = None
    jane, omar, eve = (Account(name, name, frozenset()) for name in ("jane", "omar", "eve"))
    opened = []
    for clock.now in range(5):
        opened.append(sessions.open(jane, client))
    assert len(sessions) == 2 and ended == [session.id for session, _cookie in opened[:3]]
    # Which is the oldest does not depend on use.
    assert [sessions.find(cookie) is not None for _session, cookie in opened] == [False] * 3 + [
        True
    ] * 2
    assert [sessions.was_replaced(cookie) for _session, cookie in opened] == [True] * 3 + [
        False
    ] * 2
    sessions.open(omar, client)
    with pytest.raises(BusyError):
        sessions.open(eve, client)
    sessions.open(jane, client)  # in place of her own oldest one
    assert len(sessions) == 3


@given(most=st.integers(1, 8), logins=st.lists(st.sampled_from(["jane", "omar"]), max_size=30))
def test_an_account_keeps_its_newest_sessions(most: int, logins: list[str]) -> None:
    sessions = Sessions(idle=600, lifetime=600, limit=100, per_account=most, monotonic=Clock())
    client: Any = None
    cookies: dict[str, list[str]] = {"jane": [], "omar": []}
    for name in logins:
        _session, cookie = sessions.open(Account(name, name, frozenset()), client)
        cookies[name].append(cookie)
    for own in cookies.values():
        alive = [cookie for cookie in own if sessions.find(cookie) is not None]
        assert alive == own[-most:]


PAIR, ADDRESS = PER_ACCOUNT.tries, PER_ADDRESS.tries


def test_five_wrong_passwords_hold_up_one_account_at_one_address(clock: Clock) -> None:
    throttle = Throttle(monotonic=clock)
    names = ["jane", "JANE ", "CORP\\jane", "local:jane", "jane@corp.example"]
    for name in names:  # all of them mean Jane
        assert throttle.take(Try.of("10.0.0.1", name)) == 0
    clock.now = 10
    for name in names:
        assert throttle.take(Try.of("10.0.0.1", name)) == PER_ACCOUNT.seconds - 10
    assert throttle.take(Try.of("10.0.0.1", "omar")) == 0
    assert throttle.take(Try.of("10.0.0.2", "jane")) == 0
    clock.now = PER_ACCOUNT.seconds
    assert throttle.take(Try.of("10.0.0.1", "jane")) == 0


def test_an_office_is_not_locked_out_by_one_of_its_people(clock: Clock) -> None:
    throttle = Throttle(monotonic=clock)
    omar = Try.of("10.0.0.1", "omar")
    assert throttle.take(omar) == 0
    throttle.succeeded(omar)
    tried = 0
    while throttle.take(Try.of("10.0.0.1", f"guess-{tried}")) == 0:
        tried += 1
    assert tried == ADDRESS  # guessing over many accounts is limited
    assert throttle.take(Try.of("10.0.0.1", "new here")) > 0
    assert throttle.take(Try.of("10.0.0.1", "omar")) == 0  # has logged in there today
    assert throttle.take(Try.of("10.0.0.2", "new here")) == 0
    clock.now = 13 * 3600.0
    for at in range(ADDRESS):
        throttle.take(Try.of("10.0.0.1", f"guess-{at}"))
    assert throttle.take(Try.of("10.0.0.1", "omar")) > 0


def test_ipv6_clients_are_counted_by_their_network(clock: Clock) -> None:
    throttle = Throttle(monotonic=clock)
    for at in range(PAIR):
        assert throttle.take(Try.of(f"2001:db8:0:1::{at:x}", "jane")) == 0
    assert throttle.take(Try.of("2001:db8:0:1:ffff::1%eth0", "jane")) > 0
    assert throttle.take(Try.of("2001:db8:0:2::1", "jane")) == 0


def test_what_was_no_guess_is_not_counted(clock: Clock) -> None:
    throttle = Throttle(monotonic=clock)
    for _number in range(3 * ADDRESS):  # such as while the cluster does not answer
        one = Try.of("10.0.0.1", "jane")
        assert throttle.take(one) == 0
        throttle.give_back(one)


@given(
    tries=st.lists(
        st.tuples(
            st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"]),
            st.sampled_from(["jane", "omar", "CORP\\jane", None]),
            st.booleans(),
            st.integers(0, 400),
        ),
        max_size=200,
    )
)
def test_never_more_failures_than_allowed_in_any_window(
    tries: list[tuple[str, str | None, bool, int]],
) -> None:
    clock = Clock()
    throttle = Throttle(monotonic=clock)
    failures: dict[bytes, list[float]] = {}
    for address, name, right, pause in tries:
        clock.now += pause
        one = Try.of(address, name)
        if throttle.take(one) > 0:
            continue
        if right:
            throttle.succeeded(one)
            failures.pop(one.pair or b"", None)
        elif one.pair is not None:
            failures.setdefault(one.pair, []).append(clock.now)
            recent = [at for at in failures[one.pair] if at > clock.now - PER_ACCOUNT.seconds]
            assert len(recent) <= PAIR


def test_the_throttle_does_not_grow(clock: Clock) -> None:
    throttle = Throttle(monotonic=clock)
    tracemalloc.start()
    for at in range(25_000):
        one = Try.of(f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}", "x" * 5000 + str(at))
        assert throttle.take(one) == 0
        if at % 2:
            throttle.succeeded(one)
        if at == 21_000:
            full, _peak = tracemalloc.get_traced_memory()
    now, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now < 1.1 * full and now < 20 << 20
