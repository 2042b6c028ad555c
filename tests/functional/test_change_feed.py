# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change feed on a simulated cluster: nothing is missed, whatever breaks."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed import config
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed.catch_up import (  # noqa: E501
    CatchUp,
    Told,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed.feed import (
    Feed,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    BusyError,
    QumuloError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Root
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

Record = dict[str, Any]
SETTINGS = "/v1/file-system/settings/notify"
FOLLOWING = {"types": ["added", "moved"]}


class Taker:
    """Takes what a feed tells, in a thread of its own."""

    def __init__(self, feed: Feed, *, confirm: bool = True) -> None:
        self.feed = feed
        self.records: list[Record] = []
        self.batches: list[int] = []
        self.error: QumuloError | None = None
        self.go = threading.Event()
        self.go.set()
        self._confirm = confirm
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Taker:
        self.feed.start()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.go.set()
        self.feed.stop()
        self.feed.join(120)
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while records := self.feed.take():
                self.go.wait(60)
                self.records.extend(records)
                self.batches.append(len(records))
                if self._confirm:
                    self.feed.done(len(records))
        except QumuloError as exc:
            self.error = exc

    def told(self, change: str | None = None) -> list[str]:
        """Paths that were told."""
        return [r["path"] for r in list(self.records) if change in (None, r["change"])]

    def wait_told(self, *paths: str) -> None:
        """Wait until paths are told."""

        def told() -> bool:
            assert self.error is None, self.error
            return set(paths) <= set(self.told())

        try:
            wait_for(told)
        except TimeoutError as exc:
            raise TimeoutError(f"only {self.told()}") from exc


@pytest.fixture
def feeding(simulator: Simulator) -> Callable[..., Any]:
    """Makes a feed of /p that is taken from, once it follows and has caught up."""

    @contextmanager
    def make(
        *, user: str = "admin", confirm: bool = True, ready: bool = True, **options: Any
    ) -> Iterator[Taker]:
        variables = {**simulator.environment(user), **options.pop("variables", {})}
        given = {"path": "/p", **options}
        feed = Feed(config.parse(given, variables))
        with Taker(feed, confirm=confirm) as taker:
            if ready:
                wait_for(lambda: feed.settled or taker.error)
            yield taker

    simulator.control("files/put", path="/p/before")
    return make


def caught_up(simulator: Simulator, name: str) -> bool:
    """A checkpoint is there, and no other one beside it."""
    return len(checkpoints(simulator, name)) == 1


def checkpoints(simulator: Simulator, name: str) -> list[int]:
    """IDs of the snapshots of a name."""
    with Client(config.parse({"path": "/p"}, simulator.environment()).cluster) as client:
        return [s.id for s in snapshots.list_all(client) if s.suffix == name]


def put(simulator: Simulator, *paths: str) -> None:
    for path in paths:
        simulator.control("files/put", path=path, content="x")


# -- what is told -------------------------------------------------------------------------------


def test_what_happens_is_told(simulator: Simulator, feeding: Callable[..., Any]) -> None:
    with feeding() as taker:
        put(simulator, "/p/a/b", "/elsewhere")
        taker.wait_told("/p/a/b", "/p/a")
    assert "/elsewhere" not in taker.told() and "/p/before" not in taker.told()
    record = next(r for r in taker.records if (r["path"], r["change"]) == ("/p/a/b", "added"))
    with Client(config.parse({"path": "/p"}, simulator.environment()).cluster) as client:
        attributes = client.rest.fs.get_file_attr(path="/p/a/b")
    assert record["file_id"] == attributes["id"]
    assert (record["object"], record["origin"], record["name"]) == ("file", "stream", "b")


def test_patterns_choose_what_is_told(simulator: Simulator, feeding: Callable[..., Any]) -> None:
    with feeding(include=["*.mov"], exclude=["/p/tmp/**"], **FOLLOWING) as taker:
        put(simulator, "/p/tmp/a.mov", "/p/b.txt", "/p/c.mov", "/p/d.mov")
        taker.wait_told("/p/c.mov", "/p/d.mov")
    assert taker.told() == ["/p/c.mov", "/p/d.mov"]


def test_an_excluded_directory_is_not_told(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(exclude=["tmp", "p"], **FOLLOWING) as taker:
        put(simulator, "/p/tmp/deep/a", "/p/b")
        taker.wait_told("/p/b")
    assert taker.told() == ["/p/b"]


def test_many_are_told_together(simulator: Simulator, feeding: Callable[..., Any]) -> None:
    with feeding(batch_size=50, batch_delay="2s", types=["child_file_added"]) as taker:
        simulator.control("files/bulk", directory="/p/many", count=200)
        wait_for(lambda: len(taker.records) == 200)
    assert max(taker.batches) == 50


def test_what_comes_with_a_directory_is_told(
    simulator: Simulator, client: Client, feeding: Callable[..., Any]
) -> None:
    put(simulator, "/out/d/deep/x", "/out/d/y")
    with feeding(types=["moved"]) as taker:
        client.rest.fs.rename(name="in", source="/out/d", dir_path="/p")
        taker.wait_told("/p/in", "/p/in/y", "/p/in/deep", "/p/in/deep/x")
    origins = {r["path"]: r["origin"] for r in taker.records}
    assert origins["/p/in"] == "stream" and origins["/p/in/deep/x"] == "walk"
    assert all(r["change"] == "moved_to" for r in taker.records)


def test_a_directory_that_is_made_again_is_followed(
    simulator: Simulator, client: Client, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c") as taker:
        client.rest.fs.delete(path="/p/before")
        client.rest.fs.delete(path="/p")
        wait_for(lambda: "/p" in taker.told("self_removed"))
        put(simulator, "/p/back")
        taker.wait_told("/p/back")
        put(simulator, "/p/later")
        taker.wait_told("/p/later")


# -- breaks -------------------------------------------------------------------------------------


def test_nothing_is_missed_while_everything_breaks(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    paths = [f"/p/{n // 5}/{n}" for n in range(60)]
    with feeding(checkpoint="c", **FOLLOWING) as taker:
        for number, path in enumerate(paths):
            put(simulator, path)
            if number % 9 == 4:
                simulator.control("streams/drop")
            if number % 20 == 3:
                taker.wait_told(path)  # else it is all over before anything has recovered
            if number == 20:
                simulator.control("nodes/stop", address=simulator.addresses[0])
            if number == 30:
                simulator.control("connections/reset")
            if number == 40:
                simulator.control("nodes/start", address=simulator.addresses[0])
                simulator.control("tokens/expire")
        taker.wait_told(*paths)
    assert {r["origin"] for r in taker.records} == {"stream", "catch_up"}


def test_what_can_not_be_listed_now_is_caught_up_later(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    simulator.control("diff/children", listed=False)
    with feeding(checkpoint="c"):
        pass
    put(simulator, "/p/new/a", "/p/new/b")
    broken = "GET /v1/files/[^/]+/entries/.*snapshot="
    with feeding(checkpoint="c", ready=False, **FOLLOWING) as taker:
        simulator.control("faults/add", route=broken, kind="500", count=6)
        taker.wait_told("/p/new/a", "/p/new/b")


def test_what_came_with_a_directory_and_can_not_be_listed_is_caught_up(
    simulator: Simulator, client: Client, feeding: Callable[..., Any]
) -> None:
    put(simulator, "/out/d/x", "/out/d/y")
    with feeding(checkpoint="c", **FOLLOWING) as taker:
        simulator.control("faults/add", route="GET /v1/files/[0-9]+/entries/", kind="500", count=6)
        client.rest.fs.rename(name="in", source="/out/d", dir_path="/p")
        taker.wait_told("/p/in", "/p/in/x", "/p/in/y")


def test_without_a_checkpoint_the_stream_is_opened_again(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding() as taker:
        opened = simulator.control("state")["requests"]
        simulator.control("streams/drop")
        wait_for(lambda: simulator.control("state")["requests"] > opened)
        wait_for(lambda: taker.feed.settled)
        put(simulator, "/p/after")
        taker.wait_told("/p/after")
    assert checkpoints(simulator, "c") == []


def test_what_happens_between_two_runs_is_told(
    simulator: Simulator, client: Client, feeding: Callable[..., Any]
) -> None:
    put(simulator, "/p/old/x")
    with feeding(checkpoint="c"):
        pass
    put(simulator, "/p/between/y", "/p/before")
    client.rest.fs.delete(path="/p/old/x")
    with feeding(checkpoint="c") as taker:
        taker.wait_told("/p/between/y", "/p/before", "/p/old/x", "/p/between")
    told = {(r["path"], r["change"]) for r in taker.records}
    assert told == {
        ("/p/between", "added"),
        ("/p/between/y", "added"),
        ("/p/before", "written"),
        ("/p/old/x", "removed"),
    }
    assert all(r["origin"] == "catch_up" for r in taker.records)


def test_what_was_taken_and_has_not_arrived_is_told_again(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c"):
        pass
    put(simulator, "/p/x")
    with feeding(checkpoint="c", confirm=False, ready=False, **FOLLOWING) as taker:
        taker.wait_told("/p/x")
    with feeding(checkpoint="c", ready=False, **FOLLOWING) as taker:
        taker.wait_told("/p/x")
        wait_for(lambda: caught_up(simulator, "c"))
    with feeding(checkpoint="c", **FOLLOWING) as taker:
        put(simulator, "/p/y")
        taker.wait_told("/p/y")
    assert "/p/x" not in taker.told()


def test_a_slow_taker_makes_the_cluster_give_up_and_misses_nothing(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    simulator.control("streams", queue_bound=100)
    with feeding(checkpoint="c", types=["child_file_added"]) as taker:
        taker.go.clear()
        before = simulator.control("state")["overflows"]
        count = 0
        while simulator.control("state")["overflows"] == before and count < 400:
            simulator.control("files/bulk", directory=f"/p/{count}", count=5000)
            count += 1
        assert count < 400, "the feed takes everything at once"
        taker.go.set()
        put(simulator, "/p/last")
        taker.wait_told("/p/last")
        wait_for(lambda: len(set(taker.told())) >= 5000 * count + 1)


@pytest.mark.parametrize("running", [True, False])
def test_a_lost_checkpoint_is_told(
    simulator: Simulator,
    client: Client,
    feeding: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    running: bool,
) -> None:
    def lose() -> None:
        for snapshot in snapshots.list_all(client):
            snapshots.delete(client, snapshot)

    options = {"checkpoint": "c", "include": ["*.mov"], **FOLLOWING}
    with feeding(**options) as taker:
        # Nothing is known of what was before the first start.
        wait_for(lambda: taker.told("gap") == [None])
        lose()
        if running:
            simulator.control("streams/drop")
            wait_for(lambda: taker.told("gap") == [None, None])
            (record, _later) = [r for r in taker.records if r["change"] == "gap"]
    if not running:
        put(simulator, "/p/lost.mov")
        with feeding(**options) as taker:
            wait_for(lambda: taker.told("gap") == [None])
            put(simulator, "/p/new.mov")
            taker.wait_told("/p/new.mov")
            assert "/p/lost.mov" not in taker.told()
            record = taker.records[0]
    assert "no checkpoint 'c' of /p" in record["reason"]
    assert caplog.messages.count(record["reason"]) == 2
    with feeding(**options) as taker:  # once
        put(simulator, "/p/last.mov")
        taker.wait_told("/p/last.mov")
        assert taker.told("gap") == []


def test_an_older_checkpoint_that_is_deleted_is_told(
    simulator: Simulator, client: Client, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c", **FOLLOWING) as taker:
        (first,) = checkpoints(simulator, "c")
        root = client.rest.fs.get_file_attr(path="/p")["id"]
        client.rest.snapshot.create_snapshot(name="c", source_file_id=root)
        client.rest.snapshot.delete_snapshot(first)
        simulator.control("streams/drop")
        wait_for(lambda: len(taker.told("gap")) == 2)
        assert "since 20" in [r for r in taker.records if r["change"] == "gap"][1]["reason"]


def test_a_gap_is_told_at_once_with_quiet_folders(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c", quiet="1h", ready=False) as taker:
        wait_for(lambda: taker.told("gap") == [None])


def test_a_checkpoint_makes_way_for_a_newer_one(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c", checkpoint_interval="1s", silence="1s", **FOLLOWING) as taker:
        first = checkpoints(simulator, "c")
        put(simulator, "/p/x")
        taker.wait_told("/p/x")
        simulator.control("streams", keepalive=0.2)
        wait_for(lambda: not set(first) & set(checkpoints(simulator, "c")))
        wait_for(lambda: caught_up(simulator, "c"))


def test_a_checkpoint_that_cannot_be_deleted_does_not_stop_the_feed(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c", checkpoint_interval="1s", silence="1s", **FOLLOWING) as taker:
        first = checkpoints(simulator, "c")
        for snapshot_id in first:
            simulator.control("snapshots/own", snapshot_id=snapshot_id, owner="x")
        simulator.control("streams", keepalive=0.2)
        seen: set[int] = set()

        def renewed() -> bool:
            seen.update(checkpoints(simulator, "c"))
            return len(seen) > len(first) + 2

        wait_for(renewed)
        put(simulator, "/p/x")
        taker.wait_told("/p/x")
        assert set(first) <= set(checkpoints(simulator, "c"))


# -- quiet folders ------------------------------------------------------------------------------


def test_a_folder_is_told_once_it_is_quiet(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(quiet="1s") as taker:
        put(simulator, "/p/a/x", "/p/a/deep/y", "/p/loose")
        taker.wait_told("/p/a")
    (record,) = taker.records
    assert (record["change"], record["object"]) == ("quiet", "directory")
    assert record["changes"] >= 2


def test_a_folder_that_was_not_quiet_yet_is_told_after_a_restart(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    with feeding(checkpoint="c", quiet="1h"):
        put(simulator, "/p/a/x")
    put(simulator, "/p/b/x")
    with feeding(checkpoint="c", quiet="1h", ready=False) as taker:
        wait_for(lambda: simulator.control("state")["streams"])
        assert taker.records == []
    with feeding(checkpoint="c", quiet="1s", ready=False) as taker:
        taker.wait_told("/p/a", "/p/b")


def test_a_checkpoint_does_not_expire_while_a_folder_is_not_quiet(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    def kept() -> list[tuple[int, datetime | None]]:
        settings = config.parse({"path": "/p"}, simulator.environment()).cluster
        with Client(settings) as client:
            return [(s.id, s.expires) for s in snapshots.list_all(client) if s.suffix == "c"]

    with feeding(checkpoint="c", quiet="1h", checkpoint_interval="1s", silence="1s"):
        put(simulator, "/p/a/x")
        first = min(kept())
        wait_for(lambda: min(kept())[0] == first[0] and min(kept()) > first)


# -- what nobody can mend -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "/missing"}, "'/missing' does not exist"),
        ({"path": "/p/before"}, "name a directory"),
        ({"variables": {"QUMULO_PASSWORD": "wrong"}}, "credentials|password"),
        ({"variables": {"QUMULO_CA_PATH": "/etc/hostname"}}, "ca_path"),
    ],
)
def test_what_waiting_does_not_mend_ends_it(
    feeding: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    try:
        with feeding(ready=False, **options) as taker:
            wait_for(lambda: taker.error)
        error = taker.error
    except QumuloError as exc:
        error = exc
    assert error is not None
    assert re.search(message, error.message), error.message


def test_a_privilege_that_lacks_for_checkpoints_is_named(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    simulator.control(
        "users/add",
        name="reader",
        password="Reader123!",
        privileges=["PRIVILEGE_FILE_FULL_ACCESS", "PRIVILEGE_SNAPSHOT_READ"],
    )
    who = {"QUMULO_USERNAME": "reader", "QUMULO_PASSWORD": "Reader123!"}
    with feeding(ready=False, checkpoint="c", variables=who) as taker:
        wait_for(lambda: taker.error)
    assert taker.error is not None
    assert "SNAPSHOT_WRITE" in taker.error.message


def test_a_cluster_that_tells_nothing_below_directories(
    simulator: Simulator, client: Client, feeding: Callable[..., Any]
) -> None:
    client.rest.request("PUT", SETTINGS, body={"recursive_mode": "DISABLED_IGNORE"})
    with feeding(ready=False) as taker:
        wait_for(lambda: taker.error)
    assert taker.error is not None and "recursive-mode ENABLED" in taker.error.message
    with feeding(ready=False, checkpoint="c", poll_interval="1s", **FOLLOWING) as taker:
        wait_for(lambda: caught_up(simulator, "c"))
        put(simulator, "/p/deep/x")
        taker.wait_told("/p/deep/x")


def test_a_cluster_that_is_away_is_waited_for(
    simulator: Simulator, feeding: Callable[..., Any]
) -> None:
    for address in simulator.addresses:
        simulator.control("nodes/stop", address=address)
    with feeding(ready=False) as taker:
        for address in simulator.addresses:
            simulator.control("nodes/start", address=address)
        wait_for(lambda: taker.feed.settled)
        put(simulator, "/p/x")
        taker.wait_told("/p/x")


def test_a_cluster_that_is_busy_for_too_long_hides_nothing(
    simulator: Simulator, client: Client, settings: Any
) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    info = files.get(client, by_path("/p"))
    records: list[Record] = []

    def catch_up(of: Client) -> int:
        told = Told(records.extend, lambda: True, lambda: True, lambda _error: None)
        root = Root(info.id, info.path)
        types = config.expand_types(config.DEFAULT_GROUPS)
        now = client.clock().now
        return CatchUp(of, root, "busy", types, now, told, all_is_new=False).run()

    catch_up(client)
    simulator.control("files/put", path="/p/made/in", content="1")
    simulator.control("faults/add", route="entries", kind="503")
    with Client(settings(retries=1)) as other, pytest.raises(BusyError):
        catch_up(other)
    simulator.control("faults/clear")
    catch_up(client)
    assert "/p/made/in" in [record["path"] for record in records]
