# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is locked is what was seen, and the record is what the cluster confirmed."""

from __future__ import annotations

from typing import Any

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def asked(simulator: Simulator, since: int) -> list[tuple[str, int]]:
    """Requests for files other than streams and listings: what, and with which status."""
    found: list[dict[str, Any]] = simulator.control("requests", since=since)["requests"]
    return [
        (request["method"], request["status"])
        for request in found
        if "/file-lock" in request["uri"] or "retrieve-file-lock" in request["uri"]
    ]


def test_a_file_that_grows_between_the_look_and_the_lock_is_looked_at_again(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        simulator.control("faults/add", route="file-lock$", kind="delay", delay=5.0, count=1)
        since = simulator.control("state")["requests"]
        put(simulator, "/w/a.pdf", "x")
        wait_for(lambda: simulator.control("faults")["faults"][0]["hits"] == 1)
        put(simulator, "/w/a.pdf", "x" * 100)
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
    requests = asked(simulator, since)
    assert ("PATCH", 412) in requests
    assert requests.count(("PATCH", 200)) == 1
    (record,) = watcher.records()
    info = client.rest.fs.get_file_attr(path="/w/a.pdf")
    assert record["outcome"] == "locked"
    assert record["size"] == 100
    assert record["data_revision"] == info["data_revision"]
    assert record["modification_time"] == info["modification_time"]
    assert record["change_time"] == info["change_time"]  # when the cluster locked it


def test_a_file_that_is_renamed_away_between_the_look_and_the_lock_is_not_locked(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        simulator.control("faults/add", route="file-lock$", kind="delay", delay=5.0, count=1)
        put(simulator, "/w/a.pdf")
        wait_for(lambda: simulator.control("faults")["faults"][0]["hits"] == 1)
        client.rest.fs.rename(name="a.pdf", source="/w/a.pdf", dir_path="/")
        watcher.wait_idle(process)
    assert not watcher.is_locked("/a.pdf")
    assert watcher.records() == []


def test_a_lock_whose_answer_was_lost_is_recorded_once_as_locked(
    watched: Make, simulator: Simulator
) -> None:
    watcher = watched()
    with watcher.running() as process:
        simulator.control("faults/add", route="file-lock$", kind="reset_after", count=1)
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
    assert [record["outcome"] for record in watcher.records()] == ["locked"]


def test_a_lock_costs_one_look_and_one_change(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        since = simulator.control("state")["requests"]
        simulator.control("files/bulk", directory="/w/many", count=50, size=10)
        wait_for(lambda: len(watcher.records()) == 50)
        watcher.wait_idle(process)
    requests = asked(simulator, since)
    assert requests.count(("PATCH", 200)) == 50
    # An event that comes during the lock makes it look at the file once more; few do.
    assert 50 <= requests.count(("GET", 200)) < 75
    assert len(requests) == requests.count(("GET", 200)) + 50
