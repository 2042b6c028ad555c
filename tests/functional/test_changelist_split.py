# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists for several movers, and attributes by the directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    directories,
    lists,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    Result,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=400), st.integers(1, 9))
def test_shares_are_about_equal(sizes: list[int], count: int) -> None:
    shares = lists.Shares(count)
    got = [0] * count
    for size in sizes:
        got[shares.next(size)] += size + lists.ENTRY_BYTES
    largest = max(sizes) + lists.ENTRY_BYTES
    assert sum(got) == sum(sizes) + len(sizes) * lists.ENTRY_BYTES
    assert max(got) - min(got) <= sum(got) / (16 * count) + largest + 1


def snapshot(client: Client, name: str) -> snapshots.Snapshot:
    source = files.get(client, by_path("/p")).id
    made = client.rest.snapshot.create_snapshot(name=name, source_file_id=source)
    return snapshots.get(client, int(made["id"]))


@pytest.fixture
def pair(
    simulator: Simulator, client: Client
) -> Iterator[tuple[snapshots.Snapshot, snapshots.Snapshot]]:
    """Many files in some directories, of which some have changed, and some are new or gone."""
    for number in range(4):
        directory = f"/p/d{number}"
        simulator.control("files/bulk", directory=directory, count=300, pattern="f{:04d}")
        client.rest.fs.create_directory(name="below", dir_path=directory)
    older = snapshot(client, "older")
    for number in range(4):
        simulator.control(
            "files/bulk", directory=f"/p/d{number}", count=200, size=1000, pattern="new{:04d}"
        )
        for changed in range(number * 5):
            simulator.control(
                "files/put", path=f"/p/d{number}/f{changed:04d}", content="x" * changed
            )
        client.rest.fs.delete(path=f"/p/d{number}/f0299")
        client.rest.fs.delete(path=f"/p/d{number}/below")
    yield snapshot(client, "newer"), older


def write(client: Client, pair: Any, dest: Path, **options: Any) -> Result:
    order = Order(str(dest), "jsonl", options.pop("attributes", "api"), **options)
    return build(client, *pair, order, check_mode=False)


def read(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_split_list_holds_the_same(client: Client, pair: Any, tmp_path: Path) -> None:
    write(client, pair, tmp_path / "whole", deletes=True)
    whole = read(tmp_path / "whole")
    write(client, pair, tmp_path / "part", deletes=True, split=5)
    result = write(client, pair, tmp_path / "part", deletes=True, split=3)
    assert result.first is not None and len(result.lists) == 3
    assert sorted(os.listdir(tmp_path)) == ["part.1", "part.2", "part.3", "part.first", "whole"]
    first = read(result.first)
    assert first == [line for line in whole if line["op"] == "delete"]
    parts = [read(path) for path in result.lists]
    key = json.dumps
    together = [key(line) for part in parts for line in part]
    assert sorted(together) == sorted(key(line) for line in whole if line["op"] != "delete")
    sizes = [sum(line["size"] for line in part) for part in parts]
    assert max(sizes) - min(sizes) < sum(sizes) / 20
    assert not write(client, pair, tmp_path / "part", deletes=True, split=3).changed


def test_directories_are_read_where_that_takes_fewer_requests(
    simulator: Simulator, client: Client, pair: Any, tmp_path: Path
) -> None:
    with simulator.recorded(changes=False) as seen:
        result = write(client, pair, tmp_path / "list")
    assert result.totals.entries == 4 * 200 + 5 + 10 + 15 + 4
    listed = [r for r in seen if "/entries/" in json.dumps(r)]
    asked = [r for r in seen if "/attributes" in json.dumps(r)]
    assert len(listed) == 5 and not asked
    assert {line["size"] for line in read(tmp_path / "list") if "new" in line["path"]} == {1000}


def test_what_is_far_apart_is_asked_for_by_itself(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    simulator.control("files/bulk", directory="/p/large", count=900, pattern="f{:04d}")
    older = snapshot(client, "older")
    for number in (1, 5, 300, 899):
        simulator.control("files/put", path=f"/p/large/f{number:04d}", content="1234")
    simulator.control("pages", entries=20)
    with simulator.recorded(changes=False) as seen:
        result = write(client, (snapshot(client, "newer"), older), tmp_path / "list")
    assert result.totals.files == 4
    assert {line["size"] for line in read(tmp_path / "list")} == {4}
    assert len([r for r in seen if "/entries/" in json.dumps(r)]) <= 3


@given(st.lists(st.text(min_size=1, max_size=3), max_size=30))
def test_groups_know_all_names_of_a_directory(names: list[str]) -> None:
    paths = [f"/{name}" for name in names if "/" not in name and "\0" not in name]
    records = sorted({directories.by_parent(path) for path in paths})
    found = list(directories.groups(records, iter(())))
    if len(records) > 1:
        (group,) = found
        assert group.count == len(records) and all(path[1:] in group.names for path in paths)
    else:
        assert not found
    assert not list(directories.groups(records, iter([b"/"])))


def test_a_large_group_forgets_no_name() -> None:
    records = [directories.by_parent(f"/d/{number:05d}") for number in range(5000)]
    (group,) = directories.groups(records, iter(()))
    assert all(f"{number:05d}" in group.names for number in range(5000))


def test_files_that_change_after_the_snapshot_are_reported(
    simulator: Simulator, client: Client, pair: Any, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    for number in range(4):
        (mount / f"d{number}").mkdir(parents=True)
        for name in range(0, 200, 2):
            (mount / f"d{number}" / f"new{name:04d}").write_text("12")
    options: dict[str, Any] = {"attributes": "mount", "map_to": str(mount)}
    result = write(client, pair, tmp_path / "list", **options)
    gone = 4 * 100 + 30
    assert result.totals.unreadable == gone
    assert result.totals.changed_since == 4 * 100 + 4 and len(result.warnings) == 2
    assert len([line for line in read(tmp_path / "list") if "error" in line]) == gone
    simulator.control("clock/advance", seconds=86400)
    later = snapshot(client, "later")
    result = write(client, (later, pair[1]), tmp_path / "list", **options)
    assert result.totals.changed_since == 0 and len(result.warnings) == 1
