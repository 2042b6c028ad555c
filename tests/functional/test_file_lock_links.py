# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock holds for all names of a file: with recurse, no name outside of the request is locked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator

from .module_calls import Call, call
from .test_csv import connection
from .test_playbooks import Play, play

__all__ = ["call", "play"]

LOCK = {"recurse": True, "retention": "1d"}
#: Names in a requested directory, another one, one that is excluded, and one outside.
PLACES = ("/w/a", "/w/b.tmp", "/w/deep/c", "/w/cache/d", "/v/e", "/out/f")
COVERED = {"/w/a", "/w/deep/c", "/v/e"}
_RUNS = itertools.count()


def link(client: Client, target: str, path: str) -> None:
    directory, _slash, name = path.rpartition("/")
    client.rest.fs.create_link(name=name, target=target, dir_path=directory)


def retained(client: Client, path: str) -> bool:
    lock = files.get(client, by_path(path), lock=True).lock
    return bool(lock and lock.get("retention_period"))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    linked=st.lists(
        st.lists(st.sampled_from(PLACES), min_size=1, max_size=4, unique=True), max_size=4
    ),
    check_mode=st.booleans(),
)
def test_a_file_is_locked_if_all_of_its_names_are_wanted(
    simulator: Simulator, client: Client, call: Call, linked: list[list[str]], check_mode: bool
) -> None:
    top = f"/run{next(_RUNS)}"
    for place in PLACES:
        simulator.control("files/put", path=f"{top}{place.rpartition('/')[0]}/other.tmp")
    groups = []
    for number, places in enumerate(linked):
        first, *others = (f"{top}{place}{number}" for place in places)
        simulator.control("files/put", path=first)
        for other in others:
            link(client, first, other)
        groups.append((places, first))
    result = call(
        "qumulo_file_lock",
        **connection(simulator),
        **LOCK,
        path=[f"{top}/w", f"{top}/v"],
        exclude=["b.tmp*", "cache", "other.tmp"],
        check_mode=check_mode,
    )
    assert not result.get("failed"), result
    wanted = [first for places, first in groups if set(places) <= COVERED]
    held = [places for places, _first in groups if not set(places) <= COVERED]
    held = [places for places in held if COVERED.intersection(places)]
    assert result["locked"] == len(wanted)
    assert result["held_back"] == len(result["held_back_files"]) == len(held)
    for _places, first in groups:
        assert retained(client, first) == (first in wanted and not check_mode)
    for each in result["held_back_files"]:
        assert each["path"].startswith((f"{top}/w/", f"{top}/v/"))
        assert each["links"] > 1 and "names (hard links)" in each["reason"]
    if held:
        assert f"{len(held)} held back because of names elsewhere" in result["msg"]
        assert "set hard_links to lock" in str(result["warnings"]), result


@pytest.mark.parametrize("how", ["lock", "named"])
def test_a_linked_file_is_locked_if_that_is_meant(
    simulator: Simulator, client: Client, call: Call, how: str
) -> None:
    simulator.control("files/put", path="/private/boss.xlsx")
    simulator.control("files/put", path="/w/there")
    link(client, "/private/boss.xlsx", "/w/x.pdf")
    options: dict[str, Any] = {"path": ["/w"], "hard_links": "lock"}
    if how == "named":
        options = {"path": ["/w", "/w/x.pdf"]}
    result = call("qumulo_file_lock", **connection(simulator), **LOCK, **options)
    assert (result["locked"], result["held_back"]) == (2, 0), result
    assert retained(client, "/private/boss.xlsx")
    # It is locked already, so there is nothing to hold back.
    again = call("qumulo_file_lock", **connection(simulator), **LOCK, path=["/w"])
    assert (again["changed"], again["unchanged"], again["held_back"]) == (False, 2, 0)


def test_hard_links_without_recurse_is_an_error(simulator: Simulator, call: Call) -> None:
    options = {"path": ["/a"], "retention": "1d", "hard_links": "lock"}
    result = call("qumulo_file_lock", **connection(simulator), **options)
    assert "hard_links has no effect without recurse: true" in result["msg"]


def test_the_playbook_fails_if_files_have_names_elsewhere(
    simulator: Simulator, client: Client, play: Play
) -> None:
    simulator.control("files/put", path="/projects/apollo/plan.pdf")
    simulator.control("files/put", path="/private/boss.xlsx")
    link(client, "/private/boss.xlsx", "/projects/apollo/x.pdf")
    variables = {"project": "/projects/apollo", "project_retention": "30d"}
    done = play("lock_finished_project", **variables)
    told = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "1 files below /projects/apollo are not locked" in told, told
    assert "such as /projects/apollo/x.pdf" in told
    assert "because they were added in the meantime" not in told
    assert retained(client, "/projects/apollo/plan.pdf")
    assert not retained(client, "/private/boss.xlsx")
    done = play("lock_finished_project", **variables, project_hard_links="lock")
    assert done.returncode == 0, done.stdout
    assert retained(client, "/private/boss.xlsx")
