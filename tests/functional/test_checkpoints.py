# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: whatever fails, and wherever it is killed, a consumer gets every change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    settings as core_settings,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    checkpoints,
    runs,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.transport import (
    ClusterConnection,
)
from tests.functional.changelist_trees import STEPS, Changer, listing
from tests.simulator.harness import Simulator

DEFAULTS: dict[str, Any] = {
    "state": "listed",
    "checkpoint": "nightly",
    "path": "/p",
    "newer": None,
    "newer_id": None,
    "older_id": None,
    "older": None,
    "delivery": None,
    "auto_commit": False,
    "keep": 1,
    "status": None,
    "format": "jsonl",
    "attributes": "none",
    "deletes": True,
    "expand_deleted": False,
    "base_path": None,
    "map_to": None,
    "index": 1,
    "workers": 2,
    "renames": False,
    "ranges": False,
    "file_locks": False,
    "separate_deletes": False,
    "split": 1,
    "compress": None,
    "owner_names": False,
    "formula_guard": False,
}


def run(client: Client, dest: Path | None = None, **options: Any) -> dict[str, Any]:
    params = {**DEFAULTS, "dest": None if dest is None else str(dest), **options}
    return runs.run(client, params, options.pop("check_mode", False))


def commit(client: Client, **options: Any) -> dict[str, Any]:
    return run(client, state="committed", **options)


def paths(dest: Path) -> list[str]:
    return [
        f"{line['op']} {line['path']}"
        for line in map(json.loads, dest.read_text().split("\n")[:-1])
    ]


def names(client: Client) -> list[int]:
    return [snapshot.id for snapshot in snapshots.list_all(client)]


@pytest.fixture
def tree(simulator: Simulator) -> Simulator:
    simulator.control("files/put", path="/p/a", content="1")
    simulator.control("files/put", path="/p/b/c", content="1")
    return simulator


def test_the_first_list_is_the_whole_tree(tree: Simulator, client: Client, tmp_path: Path) -> None:
    first = run(client, tmp_path / "l")
    assert first["changed"] and first["older"] is None and not first["committed"]
    assert paths(tmp_path / "l") == ["create a", "create b", "create b/c"]
    # As long as nobody has confirmed it, it comes again, with whatever is new.
    tree.control("files/put", path="/p/d", content="1")
    second = run(client, tmp_path / "l")
    assert second["older"] is None and "create d" in paths(tmp_path / "l")
    assert str(first["delivery"]) in second["warnings"][0]
    done = commit(client, delivery=second["delivery"])
    assert done["changed"] and [s["snapshot_id"] for s in done["deleted"]] == [first["delivery"]]
    assert not commit(client)["changed"] and not commit(client, delivery=1)["changed"]
    tree.control("files/put", path="/p/a", content="2")
    third = run(client, tmp_path / "l", auto_commit=True)
    assert third["committed"] and "modify a" in paths(tmp_path / "l")
    assert names(client) == [third["delivery"]]


@pytest.mark.parametrize("wrong", [{"keep": 0, "auto_commit": True}, {"workers": 0}])
def test_what_can_not_work_is_said_before_a_snapshot_is_taken(
    tree: Simulator, client: Client, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(errors.InputError, match=f"{min(wrong, key=len)}.* is 1 or more, not 0"):
        run(client, tmp_path / "l", **wrong)
    assert names(client) == [] and not (tmp_path / "l").exists()


def test_only_snapshots_of_its_own_are_touched(
    tree: Simulator, client: Client, tmp_path: Path
) -> None:
    tree.control("files/put", path="/q/a", content="1")
    source = files.get(client, by_path("/p")).id
    for name in ("nightly", "changelist-nightly", "changelist-nightly.x", "changelist-nightly2.0"):
        client.rest.snapshot.create_snapshot(name=name, source_file_id=source)
    others = names(client)
    others.append(run(client, tmp_path / "l", path="/q", auto_commit=True)["delivery"])
    others.append(run(client, tmp_path / "l", checkpoint="nightly2", auto_commit=True)["delivery"])
    for _turn in range(3):
        last = run(client, tmp_path / "l", auto_commit=True)
    assert names(client) == [*others, last["delivery"]]
    for _turn in range(3):
        run(client, tmp_path / "l", auto_commit=True, keep=3)
    assert len(names(client)) == len(others) + 3


def test_snapshots_that_cannot_be_deleted_do_not_stop_a_commit(
    tree: Simulator, client: Client, tmp_path: Path
) -> None:
    obstacles: list[int] = []
    for obstacle in ("locked", "replicated", "in use", "none"):
        delivery = run(client, tmp_path / "l")["delivery"]
        done = commit(client, delivery=delivery)
        assert [one["snapshot_id"] for one in done["not_deleted"]] == obstacles
        assert all(one["reason"] for one in done["not_deleted"])
        if obstacle == "locked":
            client.rest.snapshot.lock_snapshot(delivery, "key")
        elif obstacle != "none":
            shown = obstacle == "replicated"
            tree.control("snapshots/own", snapshot_id=delivery, owner="x", shown=shown)
        if obstacle != "none":
            obstacles.append(delivery)
    assert names(client) == [*obstacles, delivery]
    last = run(client, tmp_path / "l", auto_commit=True)
    assert "cannot be deleted: " in last["warnings"][-1]
    assert names(client) == [*obstacles, last["delivery"]]


def test_a_commit_of_an_overtaken_delivery_loses_nothing(
    tree: Simulator, client: Client, tmp_path: Path
) -> None:
    first = run(client, tmp_path / "l")["delivery"]
    tree.control("files/put", path="/p/late", content="1")
    second = run(client, tmp_path / "l")["delivery"]
    commit(client, delivery=first)
    assert second in names(client)
    run(client, tmp_path / "l")
    assert "create late" in paths(tmp_path / "l") and "create a" not in paths(tmp_path / "l")
    with pytest.raises(errors.NotFoundError, match="has no delivery 999"):
        commit(client, delivery=999)


def test_the_second_of_two_runs_says_so(tree: Simulator, client: Client, tmp_path: Path) -> None:
    with checkpoints.Delivery(client, "nightly", "/p") as going:
        before = names(client)
        with pytest.raises(errors.ConflictError, match="Another run of checkpoint 'nightly'"):
            run(client, tmp_path / "l")
        assert names(client) == before and not (tmp_path / "l").exists()
        run(client, tmp_path / "l", checkpoint="other")
        going.complete()
    run(client, tmp_path / "l")


def test_of_many_runs_at_once_one_at_a_time_goes_on(
    tree: Simulator, client: Client, settings: Any, tmp_path: Path
) -> None:
    barrier = threading.Barrier(6)
    entered: list[int] = []
    refused: list[str] = []
    leave = threading.Event()

    def begin() -> None:
        with Client(settings()) as own:
            own.who_am_i()
            barrier.wait(120)
            try:
                with checkpoints.Delivery(own, "nightly", "/p") as going:
                    entered.append(going.newer.id)
                    leave.wait(120)
            except errors.ConflictError as exc:
                refused.append(exc.message)
            if len(entered) + len(refused) == 6:
                leave.set()

    threads = [threading.Thread(target=begin) for _number in range(6)]
    for thread in threads:
        thread.start()
    for _wait in range(2000):
        if len(entered) + len(refused) == 6:
            break
        threading.Event().wait(0.01)
    leave.set()
    for thread in threads:
        thread.join()
    assert len(entered) == 1 and len(refused) == 5
    assert names(client) == []


def test_a_lease_is_renewed_and_a_lost_one_delivers_nothing(
    tree: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_RENEW", 0.01)
    with checkpoints.Delivery(client, "nightly", "/p") as going:
        first = going.newer.expires
        for _wait in range(1000):
            if snapshots.get(client, going.newer.id).expires != first:
                break
            threading.Event().wait(0.02)
        renewed = snapshots.get(client, going.newer.id).expires
        assert first is not None and renewed is not None and renewed > first
        going._stop()
        tree.control("clock/advance", seconds=7 * 86400)
        with pytest.raises(errors.ConflictError, match="is gone"):
            going.complete()
    assert names(client) == []


def test_check_mode_changes_nothing(tree: Simulator, client: Client, tmp_path: Path) -> None:
    params = {**DEFAULTS, "dest": str(tmp_path / "l")}
    assert runs.run(client, params, True)["changed"]
    assert names(client) == [] and not (tmp_path / "l").exists()
    run(client, tmp_path / "l")
    before = snapshots.list_all(client)
    assert runs.run(client, {**params, "state": "committed"}, True)["changed"]
    assert snapshots.list_all(client) == before


class Killed(BaseException):
    """The process is gone: from now on it asks nothing more."""


@contextmanager
def killed_after(count: int | None) -> Iterator[None]:
    """Die before a request, or, if odd, after the cluster has done it and before it says so."""
    plain = ClusterConnection.send_request
    left = [count]

    def send(self: Any, method: str, uri: str, *args: Any, **kwargs: Any) -> Any:
        if left[0] is None:
            return plain(self, method, uri, *args, **kwargs)
        if left[0] <= 1:
            dying = left[0] == 1
            left[0] = 0
            if dying:
                plain(self, method, uri, *args, **kwargs)
            raise Killed
        left[0] -= 2
        return plain(self, method, uri, *args, **kwargs)

    ClusterConnection.send_request = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        ClusterConnection.send_request = plain  # type: ignore[method-assign]


class Consumer:
    """Has a copy: path -> what was there in the snapshot that the list was made of."""

    def __init__(self) -> None:
        self.copy: dict[str, str] = {}

    def apply(self, client: Client, dest: Path, delivery: int) -> None:
        new = content(client, delivery)
        for line in map(json.loads, dest.read_text().split("\n")[:-1]):
            path = line["path"]
            if line["op"] == "delete":
                for known in [k for k in self.copy if k == path or k.startswith(f"{path}/")]:
                    del self.copy[known]
            else:
                self.copy[path] = new[path]


def content(client: Client, snapshot: int | None) -> dict[str, str]:
    return {
        info.path[len("/p/") :]: "/"
        if info.type == files.DIRECTORY
        else f"{info.id} {info.size} {info.modification_time} {info.mode}"
        for info in listing(client, "/p", snapshot)
    }


NIGHTS = st.lists(
    st.tuples(
        STEPS,
        st.one_of(st.none(), st.integers(0, 60)),  # the run is killed
        st.booleans(),  # the consumer fails
        st.one_of(st.none(), st.integers(0, 16)),  # the commit is killed
    ),
    min_size=2,
    max_size=5,
)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(NIGHTS)
def test_whatever_is_killed_the_consumer_gets_every_change(
    simulator: Simulator,
    settings: Any,
    tmp_path_factory: pytest.TempPathFactory,
    nights: list[tuple[Any, int | None, bool, int | None]],
) -> None:
    simulator.reset()
    made: core_settings.Settings = settings()
    dest = tmp_path_factory.mktemp("list") / "l"
    consumer = Consumer()
    with Client(made) as client:
        changer = Changer(client)
        for steps, run_killed, fails, commit_killed in [*nights, ([], None, False, None)]:
            changer.run(steps)
            delivery = None
            with Client(made) as own:
                own.who_am_i()
                try:
                    with killed_after(run_killed):
                        delivery = run(own, dest)["delivery"]
                except Killed:
                    pass
            if delivery is not None and not fails:
                consumer.apply(client, dest, delivery)
                with Client(made) as own:
                    own.who_am_i()
                    try:
                        with killed_after(commit_killed):
                            commit(own, delivery=delivery)
                    except Killed:
                        pass
            simulator.control("clock/advance", seconds=600)
        assert consumer.copy == content(client, None)
        # What was left behind is gone with the last commit, or expires by itself.
        state = checkpoints.of_checkpoint(client, "nightly", "/p")
        assert len(state.committed) == 1 and not state.delivered and not state.running
        assert names(client) == [state.committed[0].id]


@pytest.mark.parametrize("kind", ["503", "reset_before", "reset_after", "cut_body"])
def test_with_faults_a_checkpoint_is_kept(
    tree: Simulator, client: Client, tmp_path: Path, kind: str
) -> None:
    tree.control("faults/add", route=".", kind=kind, probability=0.2, seed=11, retry_after=0.02)
    for number in range(3):
        tree.control("files/put", path=f"/p/new{number}", content="x")
        run(client, tmp_path / "l", renames=True, attributes="api")
        commit(client)
        assert f"create new{number}" in paths(tmp_path / "l")
    tree.control("faults/clear")
    assert len(names(client)) == 1


def test_a_cluster_that_is_busy_for_too_long_loses_nothing(
    tree: Simulator, client: Client, settings: Any, tmp_path: Path
) -> None:
    run(client, tmp_path / "l", auto_commit=True)
    tree.control("files/put", path="/p/made/in", content="1")
    tree.control("faults/add", route="entries", kind="503")
    with Client(settings(retries=1)) as other, pytest.raises(errors.BusyError):
        run(other, tmp_path / "l", auto_commit=True)
    tree.control("faults/clear")
    run(client, tmp_path / "l", auto_commit=True)
    assert "create made/in" in paths(tmp_path / "l")


def test_a_snapshot_that_goes_while_it_is_read_ends_the_run(
    tree: Simulator, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(client, tmp_path / "l", auto_commit=True)
    (base,) = snapshots.list_all(client)
    client.rest.fs.delete(path="/p/b/c")
    client.rest.fs.delete(path="/p/b")
    walk = files.walk

    def late(*args: Any, **kwargs: Any) -> Any:
        snapshots.delete(client, base)
        return walk(*args, **kwargs)

    monkeypatch.setattr(files, "walk", late)
    with pytest.raises(errors.NotFoundError):
        run(client, tmp_path / "l", auto_commit=True, expand_deleted=True)
    assert names(client) == []


def test_a_file_of_a_list_that_comes_again_is_in_one_list_once(
    tree: Simulator, client: Client, tmp_path: Path
) -> None:
    run(client, tmp_path / "l", auto_commit=True)
    tree.control("files/put", path="/p/new", content="1")
    run(client, tmp_path / "l")
    tree.control("files/put", path="/p/new", content="22")
    for options in (
        {"format": "jsonl"},
        {"format": "jsonl", "attributes": "api"},
        {"format": "xml", "attributes": "api"},
        {"format": "rclone"},
    ):
        listed = run(client, tmp_path / "l", **options)
        assert (tmp_path / "l").read_text().count("new") == 1
        assert listed["totals"]["files"] == listed["totals"]["created"] == 1
    parts = run(client, tmp_path / "l", split=2)["lists"]
    assert sum(Path(part).read_text().count("new") for part in parts) == 1
