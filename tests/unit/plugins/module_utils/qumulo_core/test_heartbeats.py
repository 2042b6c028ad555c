# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heartbeats, and the watchdog that is fed while all threads move."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import heartbeats
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.heartbeats import (
    ALLOWANCE,
    ENDLESS,
    Heartbeats,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sd_notify import (
    Notifier,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.watchdog import (
    Watchdog,
)


class Fed(Notifier):
    """Counts how often the watchdog was fed."""

    def __init__(self) -> None:
        super().__init__({})
        self.count = 0

    def alive(self) -> None:
        """Count."""
        self.count += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [1000.0]
    monkeypatch.setattr(heartbeats.time, "monotonic", lambda: now[0])
    return now


STEPS = st.sampled_from(["work", "wait", "move", "endless"])


@given(st.lists(st.tuples(STEPS, st.floats(0, 500)), min_size=1))
def test_a_thread_hangs_once_its_time_is_over(steps: list[tuple[str, float]]) -> None:
    now = [0.0]
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(heartbeats.time, "monotonic", lambda: now[0])
        beats = Heartbeats(100.0)
        stack.enter_context(beats.thread("t"))
        moved, allowed = 0.0, 100.0
        for step, seconds in steps:
            if step == "work":
                heartbeats.working("working")
                moved, allowed = now[0], 100.0
            elif step == "wait":
                heartbeats.waiting("waiting", 50.0)
                moved, allowed = now[0], 150.0
            elif step == "endless":
                heartbeats.working("waiting for a mount", ENDLESS)
                moved, allowed = now[0], ENDLESS
            else:
                heartbeats.moved()
                moved = now[0]
            now[0] += seconds
            assert bool(beats.hung()) == (now[0] - moved > allowed)
    assert beats.hung() == []


def test_the_reason_says_thread_time_and_operation(clock: list[float]) -> None:
    beats = Heartbeats(60.0)
    with beats.thread("write-back"):
        heartbeats.working("writing the spool")
        clock[0] += 61
        assert beats.reason() == (
            "thread write-back has made no progress for 61 s while writing the spool"
        )
        (hang,) = beats.hung()
        assert "test_the_reason_says_thread_time_and_operation" in hang.calls


def test_a_helper_makes_progress_for_its_thread(clock: list[float]) -> None:
    beats = Heartbeats(60.0)
    with beats.thread("catch-up"):
        beat = heartbeats.current()

        def work() -> None:
            heartbeats.help_thread(beat)
            heartbeats.moved()

        clock[0] += 61
        assert beats.hung()
        helper = threading.Thread(target=work)
        helper.start()
        helper.join()
        assert not beats.hung()


def test_without_a_heartbeat_nothing_happens() -> None:
    heartbeats.working("x")
    heartbeats.waiting("x", 1.0)
    heartbeats.moved()
    assert heartbeats.current() is None


@given(st.floats(0.1, 3600), st.floats(0, 3600))
def test_the_allowance_exceeds_what_a_request_may_take(timeout: float, deadline: float) -> None:
    found = heartbeats.allowance(timeout, deadline)
    assert found >= ALLOWANCE and found > timeout + deadline


def test_the_watchdog_starves_once_the_reason_is_logged(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    beats, fed = Heartbeats(60.0), Fed()
    watchdog = Watchdog(beats, fed, 1.0, monotonic=lambda: clock[0])
    look = _steps(watchdog, clock)
    with caplog.at_level(logging.INFO), beats.thread("take"):
        heartbeats.working("looking for files that are due")
        look(60)
        assert (fed.count, caplog.messages) == (60, [])
        look(30)
        assert fed.count == 60
        # Once, not with each look.
        assert caplog.messages == [
            "thread take has made no progress for 61 s while looking for files that are due. "
            "The watchdog restarts the service."
        ]
        assert "test_heartbeats.py" in vars(caplog.records[0])["at"]
        heartbeats.moved()
        look(1)
        assert fed.count == 61
        assert caplog.messages[1:] == ["thread take makes progress again"]


def test_a_process_that_was_stopped_does_not_hang(clock: list[float]) -> None:
    beats, fed = Heartbeats(60.0), Fed()
    watchdog = Watchdog(beats, fed, 1.0, monotonic=lambda: clock[0])
    look = _steps(watchdog, clock)
    with beats.thread("take"):
        look(50)
        clock[0] += 10_000  # SIGSTOP, or a virtual machine that is moved
        look(10)
        assert fed.count == 60
        look(5)
        assert beats.hung()


def _steps(watchdog: Watchdog, clock: list[float]) -> Callable[[int], None]:
    def look(times: int) -> None:
        for _time in range(times):
            clock[0] += 1.0
            watchdog.look()

    return look
