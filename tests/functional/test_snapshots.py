# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots on a simulated cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    snapshot_runs,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator

from .module_runs import Module, module

__all__ = ["module"]


def params(**changes: Any) -> dict[str, Any]:
    return {
        "state": "present",
        "name": None,
        "path": "/",
        "snapshot_id": None,
        "expiration": None,
        "slack": None,
        "keep": None,
        **changes,
    }


def ensure(client: Client, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    return snapshot_runs.ensure(client, params(**changes), check_mode)


def show(client: Client, **changes: Any) -> list[str]:
    wanted = {"snapshot_id": None, "name": None, "path": None, "expires_before": None, **changes}
    return [entry["name"] for entry in snapshot_runs.show(client, wanted, False)["snapshots"]]


def test_present_change_absent(simulator: Simulator, client: Client) -> None:
    with simulator.recorded() as seen:
        assert ensure(client, name="a", expiration="7d", check_mode=True)["changed"]
    assert seen == []
    taken = ensure(client, name="a", expiration="7d")
    assert taken["changed"] and not ensure(client, name="a", expiration="7d")["changed"]
    assert not ensure(client, name="a")["changed"]
    with simulator.recorded() as seen:
        assert ensure(client, name="a", expiration="14d", check_mode=True)["changed"]
    assert seen == []
    assert ensure(client, name="a", expiration="14d")["changed"]
    assert ensure(client, name="a", expiration="never")["snapshot"]["expiration"] == "never"
    assert not ensure(client, name="a", expiration="never")["changed"]
    with simulator.recorded() as seen:
        assert ensure(client, state="absent", name="a", check_mode=True)["changed"]
    assert seen == []
    assert ensure(client, state="absent", name="a")["changed"]
    assert not ensure(client, state="absent", name="a")["changed"]


def test_several_of_one_name_are_told_with_their_ids(client: Client) -> None:
    for _turn in range(2):
        client.rest.snapshot.create_snapshot(name="twin", source_file_id="2")
    with pytest.raises(errors.ConflictError, match="1, 2"):
        ensure(client, name="twin")
    known = snapshots.list_all(client)
    with pytest.raises(errors.ConflictError, match=r"1, 2.*give one ID as 'newer_id'"):
        snapshots.find(known, "twin", None, "newer")
    assert snapshots.find(known, "2_twin", None, "newer").id == 2
    assert snapshots.find(known, None, 1, "newer").id == 1


def test_a_name_can_be_a_number(client: Client) -> None:
    for name in ("20261121", "1"):
        client.rest.snapshot.create_snapshot(name=name, source_file_id="2")
    known = snapshots.list_all(client)
    assert snapshots.find(known, "20261121", None, "older").id == 1
    assert snapshots.find(known, "1", None, "older").id == 2
    assert snapshots.find(known, None, 1, "older").id == 1
    for missing in ("20261122", "\u00b2"):
        with pytest.raises(errors.NotFoundError, match="list them with qumulo_snapshot_info"):
            snapshots.find(known, missing, None, "older")
    with pytest.raises(errors.NotFoundError, match="snapshot '2': give an ID as 'older_id'"):
        snapshots.find(known, "2", None, "older")
    for name, snapshot_id in ((None, None), ("1", 1)):
        with pytest.raises(errors.InputError, match="by 'older' or by 'older_id', not by both"):
            snapshots.find(known, name, snapshot_id, "older")


def test_a_series_keeps_the_newest_and_nothing_of_others(client: Client) -> None:
    ensure(client, name="nightly-report")
    for _turn in range(3):
        ensure(client, state="new", name="nightly")
    assert ensure(client, state="new", name="nightly", check_mode=True)["changed"]
    removed = ensure(client, state="absent", name="nightly", keep=1)["deleted"]
    assert len(removed) == 2
    assert len(show(client, name=["nightly*"])) == 2
    assert show(client, name=["*-report"]) == ["1_nightly-report"]


def test_one_by_id(client: Client) -> None:
    taken = ensure(client, name="a")["snapshot"]["snapshot_id"]
    assert ensure(client, state="absent", snapshot_id=taken)["changed"]
    assert not ensure(client, state="absent", snapshot_id=taken)["changed"]


def obstructed(simulator: Simulator, client: Client) -> None:
    """Take six snapshots: 1 is locked, 2 is replicated, and 3 is in use, which nothing shows."""
    for _turn in range(6):
        client.rest.snapshot.create_snapshot(name="nightly", source_file_id="2")
    client.rest.snapshot.lock_snapshot(1, "key")
    simulator.control("snapshots/own", snapshot_id=2, owner="replication-1")
    simulator.control("snapshots/own", snapshot_id=3, owner="clone", shown=False)


def test_what_cannot_be_deleted_does_not_stop_pruning(simulator: Simulator, client: Client) -> None:
    obstructed(simulator, client)
    planned = ensure(client, state="absent", name="nightly", keep=2, check_mode=True)
    assert [one["snapshot_id"] for one in planned["not_deleted"]] == [1, 2]
    for deleted in ([4], []):
        done = ensure(client, state="absent", name="nightly", keep=2)
        assert [one["snapshot_id"] for one in done["deleted"]] == deleted
        assert done["changed"] is bool(deleted) and "warnings" not in done
        reasons = {one["name"]: one["reason"] for one in done["not_deleted"]}
        assert reasons["1_nightly"] == "locked with a key"
        assert reasons["2_nightly"] == "owned by replication-1, for instance a replication"
        assert "snapshot 3 is in use" in reasons["3_nightly"]
    assert show(client) == [f"{number}_nightly" for number in (6, 5, 3, 2, 1)]
    everything = ensure(client, state="absent", name="nightly")
    assert len(everything["deleted"]) == 2 and "1_nightly (locked" in everything["warnings"][0]


def test_what_is_named_by_itself_and_cannot_be_deleted_is_an_error(
    simulator: Simulator, client: Client
) -> None:
    obstructed(simulator, client)
    with simulator.recorded() as seen:
        for number in (1, 2):
            for named in ({"snapshot_id": number}, {"name": f"{number}_nightly"}):
                with pytest.raises(errors.ConflictError, match="locked|owned"):
                    ensure(client, state="absent", **named)
    assert seen == []
    with pytest.raises(errors.ConflictError, match="in use"):
        ensure(client, state="absent", snapshot_id=3)


def test_pruning_that_breaks_off_says_what_is_deleted(simulator: Simulator, client: Client) -> None:
    obstructed(simulator, client)
    simulator.control("faults/add", route="DELETE", kind="500", skip=2)
    with pytest.raises(errors.ServerError) as caught:
        ensure(client, state="absent", name="nightly", keep=0)
    assert [one["snapshot_id"] for one in caught.value.details["deleted"]] == [4]


def test_a_full_name_is_the_snapshot(simulator: Simulator, client: Client) -> None:
    simulator.control("files/put", path="/p/a")
    for _turn in range(9):
        client.rest.snapshot.create_snapshot(name="nightly", source_file_id="2")
    assert not ensure(client, name="9_nightly")["changed"]
    changed = ensure(client, name="9_nightly", expiration="7d")
    assert changed["changed"] and changed["snapshot"]["snapshot_id"] == 9
    assert len(show(client)) == 9
    done = ensure(client, state="absent", name="9_nightly", check_mode=True)
    assert [one["snapshot_id"] for one in done["deleted"]] == [9]
    done = ensure(client, state="absent", name="9_nightly")
    assert done["changed"] and len(show(client)) == 8
    assert not ensure(client, state="absent", name="9_nightly")["changed"]
    for wrong, message in (
        ({"state": "absent", "name": "8_nightly", "keep": 1}, "'keep' needs the name without"),
        ({"state": "absent", "name": "8_nightly", "path": "/p"}, "is a snapshot of /, not of /p"),
        ({"state": "present", "name": "8_nightly", "path": "/p"}, "set 'path' to /"),
        ({"state": "new", "name": "8_nightly"}, "give the name without the ID, 'nightly'"),
        ({"state": "present", "name": "9_nightly"}, "/ has no snapshot '9_nightly'"),
        ({"state": "new", "name": "9_nightly"}, "/ has no snapshot '9_nightly'"),
    ):
        with pytest.raises(errors.InputError, match=message):
            ensure(client, **wrong)
    assert len(show(client)) == 8


def test_pruning_and_full_names_through_ansible(
    simulator: Simulator, client: Client, module: Module
) -> None:
    obstructed(simulator, client)
    full = {"state": "absent", "name": "6_nightly"}
    prune = {"state": "absent", "name": "nightly", "keep": 1}
    done, gone, pruned, again, refused, none = module(
        "qumulo_snapshot",
        full,
        full,
        prune,
        prune,
        {"state": "absent", "snapshot_id": 1},
        {"state": "absent", "name": "nigthly"},
    )
    assert done["changed"] and done["msg"] == "1 snapshot was deleted."
    assert not gone["changed"]
    assert pruned["changed"] and pruned["msg"].startswith(
        "1 snapshot was deleted; 3 cannot be deleted: 1_nightly (locked with a key), 2_nightly ("
    )
    assert not again["changed"] and len(again["not_deleted"]) == 3
    assert refused["failed"] and "locked with a key: unlock it" in refused["msg"]
    assert none["msg"] == "No snapshot matches; nothing was deleted."
    assert show(client) == [f"{number}_nightly" for number in (5, 3, 2, 1)]
    present, listed = (
        module("qumulo_snapshot", {"name": "6_nightly"})[0],
        module("qumulo_snapshot_info", {"name": "5_nightly"})[0],
    )
    assert present["failed"] and "give the name without the ID" in present["msg"]
    assert [one["snapshot_id"] for one in listed["snapshots"]] == [5]


def test_a_name_can_begin_like_a_full_name(client: Client) -> None:
    assert ensure(client, name="2026_budget")["snapshot"]["name"] == "1_2026_budget"
    assert not ensure(client, name="2026_budget")["changed"]
    client.rest.snapshot.create_snapshot(name="nightly", source_file_id="2")
    client.rest.snapshot.create_snapshot(name="2_nightly", source_file_id="2")
    with pytest.raises(errors.ConflictError, match="2_nightly and 3_2_nightly"):
        ensure(client, state="absent", name="2_nightly")
    assert ensure(client, state="absent", name="2026_budget")["changed"]
    assert show(client) == ["3_2_nightly", "2_nightly"]


def test_a_directory_that_does_not_exist_leads_to_a_near_one(
    simulator: Simulator, client: Client
) -> None:
    simulator.control("files/put", path="/projects/a")
    for path in ("/projcts", "/Projects", "/projcts/"):
        with pytest.raises(errors.NotFoundError, match="did you mean '/projects'"):
            ensure(client, name="a", path=path)
    assert ensure(client, name="a", path="//projects/.")["snapshot"]["path"] == "/projects"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a/b"},
        {"name": "a", "expiration": "2020-01-01"},
        {"name": "a", "keep": 1},
        {"name": "a", "path": "/none"},
        {"state": "absent", "name": "a", "expiration": "7d"},
        {"state": "absent", "name": "a", "keep": -1},
    ],
)
def test_what_makes_no_sense_changes_nothing(
    simulator: Simulator, client: Client, changes: dict[str, Any]
) -> None:
    client.version()
    with simulator.recorded() as seen, pytest.raises(errors.QumuloError):
        ensure(client, **changes)
    assert seen == []


def test_filters_of_the_list(simulator: Simulator, client: Client) -> None:
    simulator.control("files/put", path="/d/f")
    ensure(client, name="a", path="/d", expiration="1d")
    ensure(client, name="b")
    assert show(client) == ["2_b", "1_a"]
    assert show(client, path="/d") == ["1_a"]
    assert show(client, expires_before="2d") == ["1_a"]
    assert show(client, expires_before="1h") == []
    assert show(client, snapshot_id=[2]) == ["2_b"]


@pytest.mark.parametrize("kind", ["429", "503", "reset_before", "reset_after", "cut_body"])
@pytest.mark.parametrize("seed", [1, 2])
def test_with_faults_one_is_taken_or_an_error_is_told(
    simulator: Simulator, client: Client, kind: str, seed: int
) -> None:
    client.version()
    simulator.control("faults/add", route=".", kind=kind, probability=0.2, seed=seed)
    wanted = 0
    for number in range(10):
        try:
            assert ensure(client, name=f"s{number}")["changed"]
            wanted += 1
        except errors.QumuloError as error:
            assert "\n" not in str(error)
    simulator.control("faults/clear")
    names = [s.suffix for s in snapshots.list_all(client)]
    assert len(names) == len(set(names)) and len(names) >= wanted >= 5


def test_an_answer_that_is_lost_is_looked_for(simulator: Simulator, client: Client) -> None:
    client.version()
    simulator.control("faults/add", route="POST /v3/snapshots", kind="reset_after", count=1)
    assert ensure(client, name="a")["snapshot"]["suffix"] == "a"
    assert len(snapshots.list_all(client)) == 1
