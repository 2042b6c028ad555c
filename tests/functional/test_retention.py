# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention periods over days whose date is set: what the module promises, and what is set."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    file_locks,
    files,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.written import (
    WrittenBetween,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_lock_runs import (
    lock as lock_files,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .module_calls import Call, call

__all__ = ["call"]

Run = Callable[..., "dict[str, Any]"]


@pytest.fixture
def lock(simulator: Simulator, call: Call) -> Run:
    """Runs qumulo_file_lock against the simulator, whose clock may be years ahead."""
    simulator.control("clock/set", time="2027-01-28T20:00:00Z")

    def run(*paths: str, **options: Any) -> dict[str, Any]:
        if "retention" in options:
            options = {"max_retention": "20y", "max_clock_skew": "1000w", **options}
        return call(
            "qumulo_file_lock",
            **{
                "host": simulator.addresses,
                "port": simulator.port,
                "username": "admin",
                "password": simulator.password(),
                "ca_path": simulator.ca_file,
                "path": list(paths),
                **options,
            },
        )

    return run


@pytest.fixture
def until(client: Client) -> Callable[[str], Any]:
    """Asks the cluster until when a file is retained."""

    def ask(path: str) -> Any:
        info = files.get(client, by_path(path), lock=True)
        return None if info.lock is None else info.lock["retention_period"]

    return ask


@pytest.mark.parametrize(
    ("retention", "first", "second", "end"),
    [
        ("1mo", "2027-01-28T20:00:00Z", "2027-01-29T08:00:00Z", "2027-03-01T00:00:00Z"),
        ("1mo", "2027-01-29T08:00:00Z", "2027-01-31T23:00:00Z", "2027-03-01T00:00:00Z"),
        ("1y", "2028-02-28T20:00:00Z", "2028-02-29T08:00:00Z", "2029-03-01T00:00:00Z"),
        ("1y", "2028-02-29T08:00:00Z", "2028-02-29T23:00:00Z", "2029-03-01T00:00:00Z"),
        ("6mo", "2027-08-30T20:00:00Z", "2027-08-31T08:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_the_same_task_the_next_day(
    simulator: Simulator,
    lock: Run,
    until: Callable[[str], Any],
    retention: str,
    first: str,
    second: str,
    end: str,
) -> None:
    simulator.control("files/put", path="/a")
    simulator.control("clock/set", time=first)
    before = lock("/a", retention=retention)
    assert before.get("changed") is True, before
    simulator.control("clock/set", time=second)
    after = lock("/a", retention=retention)
    assert not after.get("failed"), after
    assert before["retention_until"] <= after["retention_until"] == until("/a") == end
    assert end in after["msg"]


def test_a_date_is_reached_exactly(
    simulator: Simulator, lock: Run, until: Callable[[str], Any]
) -> None:
    simulator.control("files/put", path="/a")
    assert lock("/a", retention="2027-12-31T23:30:00Z")["changed"]
    planned = lock("/a", retention="2027-12-31", check_mode=True)
    assert planned["changed"] and until("/a") == "2027-12-31T23:30:00Z"
    assert planned["msg"] == (
        "1 lock would be changed, 0 were already correct; the retention period would end at "
        "2027-12-31T23:59:59Z."
    )
    done = lock("/a", retention="2027-12-31")
    assert done["changed"] and done["retention_until"] == until("/a") == "2027-12-31T23:59:59Z"
    assert done["msg"] == (
        "1 lock was changed, 0 were already correct; the retention period ends at "
        "2027-12-31T23:59:59Z."
    )
    assert not lock("/a", retention="2027-12-31")["changed"]
    refused = lock("/a", retention="2027-12-31", slack="1h")
    assert "slack applies only to a relative retention period" in refused["msg"]
    shorter = lock("/a", retention="2027-12-31T23:59:58Z")
    assert "cannot be shortened" in shorter["msg"]
    assert shorter["retention_requested"] == "2027-12-31T23:59:58Z"
    assert shorter["retention_until"] is None


def test_what_is_told_is_what_is_set_and_not_what_was_asked_for(
    simulator: Simulator, lock: Run, until: Callable[[str], Any]
) -> None:
    for name in "ab":
        simulator.control("files/put", path=f"/p/{name}")
    first = lock("/p/a", retention="30d")["retention_until"]
    simulator.control("clock/advance", seconds=1800)
    again = lock("/p/a", retention="30d")
    assert not again["changed"] and again["retention_until"] == first == until("/p/a")
    assert again["retention_requested"] > first and first in again["msg"]
    lock("/p/b", retention="90d")
    kept = lock("/p", recurse=True, retention="30d", on_longer="keep")
    assert kept["retention_until"] == first and kept["retention_until_latest"] == until("/p/b")
    assert kept["msg"] == (
        f"0 locks were changed, 2 were already correct; the retention periods end between {first} "
        f"and {until('/p/b')}."
    )


@pytest.mark.parametrize("check_mode", [False, True])
def test_nothing_that_matches_is_no_success_of_locking(
    simulator: Simulator, lock: Run, check_mode: bool
) -> None:
    simulator.control("files/put", path="/p/a.tmp")
    options = {"recurse": True, "exclude": ["*.tmp"], "retention": "30d"}
    result = lock("/p", check_mode=check_mode, **options)
    told = "would be" if check_mode else "was"
    assert result["msg"] == f"No file matches, so none {told} locked."
    assert result["retention_until"] is None


def test_a_legal_hold_is_told(simulator: Simulator, lock: Run) -> None:
    simulator.control("files/put", path="/a")
    ends = []
    for hold in (True, True, False, False):
        for check_mode in (True, False):
            ends.append(lock("/a", legal_hold=hold, check_mode=check_mode)["msg"])
    assert ends == [
        "1 lock would be changed, 0 were already correct; all files would be under legal hold.",
        "1 lock was changed, 0 were already correct; all files are under legal hold.",
        "0 locks would be changed, 1 was already correct; all files would be under legal hold.",
        "0 locks were changed, 1 was already correct; all files are under legal hold.",
        "1 lock would be changed, 0 were already correct; none of them would be under legal hold.",
        "1 lock was changed, 0 were already correct; none of them is under legal hold.",
        "0 locks would be changed, 1 was already correct; none of them would be under legal hold.",
        "0 locks were changed, 1 was already correct; none of them is under legal hold.",
    ]


def test_only_files_of_an_age_are_locked(
    simulator: Simulator, lock: Run, until: Callable[[str], Any]
) -> None:
    for name in ("old", "middle", "new"):
        simulator.control("files/put", path=f"/p/{name}", content=name)
        simulator.control("clock/advance", seconds=2 * 86400)
    ages = {"older_than": "3d", "newer_than": "5d"}
    planned = lock("/p", recurse=True, retention="30d", check_mode=True, **ages)
    done = lock("/p", recurse=True, retention="30d", **ages)
    for result in (planned, done):
        assert [file["path"] for file in result["files"]] == ["/p/middle"]
        assert result["left_out"] == 2 and "; 2 left out because of their age." in result["msg"]
    assert until("/p/middle") and not until("/p/old") and not until("/p/new")
    named = lock("/p/old", "/p/new", retention="30d", older_than="3d")
    assert (named["locked"], named["left_out"]) == (1, 1)
    assert until("/p/old") and not until("/p/new")
    assert lock("/p/new", retention="30d", older_than="3d")["msg"] == (
        "No file matches, so none was locked; 1 left out because of their age."
    )
    refused = lock("/p/new", retention="30d", older_than="3d", newer_than="1d")
    assert "newer_than 1d" in refused["msg"] and until("/p/new") is None


def test_a_file_that_is_written_after_it_was_read_is_not_locked(
    simulator: Simulator, client: Client, settings: Callable[..., Settings]
) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    simulator.control("clock/advance", seconds=2 * 86400)
    client.clock()
    simulator.control("faults/add", route="file-lock$", kind="delay", delay=5.0, count=1)
    now = client.clock().now()
    request = file_locks.LockRequest(now + timedelta(days=3), None)
    results: list[Any] = []

    def run() -> None:
        written = WrittenBetween.make(now=now, older_than="1d")
        options: dict[str, Any] = {"include": [], "exclude": [], "workers": 1, "max_results": 9}
        with Client(settings()) as own:
            results.append(
                lock_files(
                    *(own, [by_path("/p")], request),
                    recurse=True,
                    check_mode=False,
                    written=written,
                    **options,
                )
            )

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: simulator.control("faults")["faults"][0]["hits"] == 1)
    simulator.control("files/put", path="/p/a", content="2")
    thread.join(60)
    (result,) = results
    assert (result["locked"], result["left_out"]) == (0, 1)
    info = files.get(client, by_path("/p/a"), lock=True)
    assert info.lock is not None and not info.lock["retention_period"]


def test_a_lock_whose_answer_was_lost_is_a_change(
    simulator: Simulator, lock: Run, until: Callable[[str], Any]
) -> None:
    simulator.control("files/put", path="/a")
    simulator.control("clock/advance", seconds=2 * 86400)
    simulator.control("faults/add", route="file-lock$", kind="reset_after", count=1)
    result = lock("/a", retention="30d", older_than="1d")
    assert result["changed"] and result["locked"] == 1, result
    assert result["retention_until"] == until("/a")


@pytest.mark.parametrize(
    ("retention", "told"),
    [
        ("6m", "write 6min for minutes or 6mo for months"),
        ("6 M", "write 6min for minutes or 6mo for months"),
        ("5minutes", "write 5min."),
        ("0d", "which is in the past"),
        ("999999y", "beyond the year 9999"),
        ("9999999d", "the largest number is 999999"),
        ("\N{ARABIC-INDIC DIGIT SIX}d", "neither a span"),
        ("2027-12-31T18:00:00", "with the zone"),
        ("2027-12-31T18:00:60Z", "second must be in 0..59"),
        ("2027-12-31T18:00:00+99:99", "time zone that does not exist"),
        ("2027-12-31T18:00:00+14:60", "time zone that does not exist"),
        ("2027-02-29", "not in the calendar"),
        ("", "neither a span"),
    ],
)
def test_a_time_that_could_be_another_one_locks_nothing(
    simulator: Simulator, lock: Run, retention: str, told: str
) -> None:
    simulator.control("files/put", path="/a")
    with simulator.recorded() as changes:
        result = lock("/a", retention=retention)
    assert result["failed"] and told in result["msg"] and "\n" not in result["msg"]
    assert changes == []
