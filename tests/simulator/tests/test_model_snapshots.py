# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots, tree diffs and file diffs."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.model import Clock, FileSystem, ModelError, tree_diff
from tests.simulator.model.store import Store

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.freeze()
    clock.set(START)
    return clock


@pytest.fixture
def files(clock: Clock) -> FileSystem:
    files = FileSystem(clock)
    files.create_directory("/", "src")
    return files


def diff(files: FileSystem, newer: int, older: int) -> list[str]:
    entries = files.tree_diff(newer, older).items
    return [f"{entry['op'][0]} {entry['path']}" for entry in entries]


def taken(files: FileSystem, path: str = "/src") -> int:
    return files.take_snapshot(path, "x").id


def test_snapshot_as_the_api_shows_it(files: FileSystem) -> None:
    files.take_snapshot("/src", "one")
    second = files.take_snapshot("/src", "two", expiration_ns=START + 60 * SECOND)
    assert files.render_snapshot(second) == {
        "id": 2,
        "name": "2_two",
        "timestamp": "2027-01-15T08:00:00Z",
        "source_file_id": "3",
        "policy_id": None,
        "expiration": "2027-01-15T08:01:00Z",
        "in_delete": False,
    }
    status = files.render_snapshot(files.snapshot(1), status=True)
    assert (status["source_file_path"], status["expiration"]) == ("/src/", "")


def test_source_path_follows_a_rename_and_outlives_the_directory(files: FileSystem) -> None:
    snapshot = files.take_snapshot("/src", "s")
    files.rename("/src", "/", "moved")
    assert files.source_path(snapshot) == "/moved/"
    files.remove("/moved")
    assert files.source_path(snapshot) == "/src/"


def test_snapshot_expires_by_the_clock(files: FileSystem, clock: Clock) -> None:
    snapshot = files.take_snapshot("/src", "s", expiration_ns=START + SECOND)
    clock.advance(SECOND - 1)
    assert files.snapshots() == [snapshot]
    files.set_snapshot_expiration(snapshot.id, START + 2 * SECOND)
    clock.advance(1)
    assert files.snapshot(snapshot.id) is snapshot
    clock.advance(SECOND)
    with pytest.raises(ModelError, match="does not exist"):
        files.entries("/src", snapshot=snapshot.id)
    assert files.snapshots() == []


def test_only_what_is_below_the_source_is_covered(files: FileSystem) -> None:
    files.create_file("/", "outside")
    files.create_file("/src", "inside")
    snapshot = taken(files)
    assert files.resolve("/src/inside", snapshot=snapshot).is_file
    with pytest.raises(ModelError) as caught:
        files.resolve("/outside", snapshot=snapshot)
    assert caught.value.error_class == "fs_file_not_covered_by_snapshot_error"


def test_taking_one_costs_the_same_for_any_tree(files: FileSystem) -> None:
    def calls_of_a_snapshot() -> int:
        calls = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            files.take_snapshot("/src", "s")
        finally:
            sys.setprofile(None)
        return calls

    small = calls_of_a_snapshot()
    files.bulk_create("/src", 5000)
    files.create_directory("/src", "sub")
    files.bulk_create("/src/sub", 5000)
    assert calls_of_a_snapshot() == small


def test_diff_costs_as_much_as_the_changes(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        files.create_directory("/src", f"d{number}")
        files.bulk_create(f"/src/d{number}", 200)
    older = taken(files)
    files.write("/src/d7/file-0000100", 0, b"x")
    files.create_file("/src/d9", "new")
    newer = taken(files)
    calls = 0
    original = Store._state

    def counted(self: Store, *args: object) -> object:
        nonlocal calls
        calls += 1
        return original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "_state", counted)
    assert diff(files, newer, older) == [
        "M /src/d7/file-0000100",
        "M /src/d9/",
        "C /src/d9/new",
    ]
    assert calls < 40


def test_each_kind_of_change(files: FileSystem) -> None:
    for name in ("same", "written", "chmod", "moved", "gone"):
        files.create_file("/src", name)
    older = taken(files)
    files.write("/src/written", 0, b"x")
    files.set_attributes("/src/chmod", mode=0o600)
    files.rename("/src/moved", "/src", "target")
    files.remove("/src/gone")
    files.create_link("/src", "zlink", "/src/same")
    files.create_file("/src", "fresh")
    newer = taken(files)
    assert diff(files, newer, older) == [
        "M /src/",
        "M /src/chmod",
        "C /src/fresh",
        "D /src/gone",
        "D /src/moved",
        "M /src/same",
        "C /src/target",
        "M /src/written",
        "C /src/zlink",
    ]
    assert diff(files, newer, newer) == []


@pytest.mark.parametrize("lists_children", [False, True])
def test_file_replaced_by_directory_and_back(files: FileSystem, lists_children: bool) -> None:
    files.diff_lists_children = lists_children
    files.create_file("/src", "x")
    first = taken(files)
    files.remove("/src/x")
    files.create_directory("/src", "x")
    files.create_file("/src/x", "child")
    second = taken(files)
    files.delete_tree("/src/x")
    files.create_file("/src", "x")
    third = taken(files)
    child = ["C /src/x/child"] if lists_children else []
    assert diff(files, second, first) == ["M /src/", "D /src/x", "C /src/x/", *child]
    child = ["D /src/x/child"] if lists_children else []
    assert diff(files, third, second) == ["M /src/", "D /src/x/", *child, "C /src/x"]
    assert diff(files, third, first) == ["M /src/", "D /src/x", "C /src/x"]


def test_what_came_and_went_in_between_is_not_listed(files: FileSystem) -> None:
    older = taken(files)
    files.create_file("/src", "temporary")
    files.remove("/src/temporary")
    files.create_file("/src", "stays")
    newer = taken(files)
    assert diff(files, newer, older) == ["M /src/", "C /src/stays"]


def test_changes_after_the_newer_snapshot_are_not_listed(files: FileSystem) -> None:
    files.create_file("/src", "a")
    files.create_file("/src", "b")
    older = taken(files)
    files.write("/src/a", 0, b"1")
    newer = taken(files)
    expected = diff(files, newer, older)
    page = files.tree_diff(newer, older, limit=1)
    files.write("/src/b", 0, b"2")
    files.remove("/src/a")
    files.rename("/src", "/", "renamed")
    assert diff(files, newer, older) == expected == ["M /src/a"]
    assert page.next == ""


def test_pages_can_be_asked_again_and_out_of_order(files: FileSystem) -> None:
    files.diff_lists_children = True
    for number in range(5):
        files.create_directory("/src", f"d{number}")
        files.bulk_create(f"/src/d{number}", 4)
    older = taken(files)
    files.delete_tree("/src/d1")
    files.rename("/src/d2", "/src/d3", "in")
    files.write("/src/d4/file-0000003", 0, b"x")
    newer = taken(files)
    whole = files.tree_diff(newer, older).items
    pages, tokens, after = [], [], ""
    while True:
        tokens.append(after)
        page = files.tree_diff(newer, older, after=after, limit=2)
        pages.append(page.items)
        after = page.next
        if not after:
            break
    assert [entry for page in pages for entry in page] == whole
    for token, items in reversed(list(zip(tokens, pages, strict=True))):
        files._diff_names.clear()
        assert files.tree_diff(newer, older, after=token, limit=2).items == items


@pytest.mark.parametrize("token", ["%", "TU0vYS9i", "L3g=", "TQ=="])
def test_token_from_elsewhere_is_refused(files: FileSystem, token: str) -> None:
    older = taken(files)
    files.create_file("/src", "f")
    newer = taken(files)
    with pytest.raises(ModelError) as caught:
        files.tree_diff(newer, older, after=token)
    assert caught.value.status == 400


def test_snapshots_that_cannot_be_compared(files: FileSystem) -> None:
    files.create_directory("/", "other")
    first, second = taken(files), taken(files)
    other = taken(files, "/other")
    with pytest.raises(ModelError, match="older than"):
        files.tree_diff(first, second)
    with pytest.raises(ModelError, match="different directories"):
        files.tree_diff(other, first)


def test_expiration_must_be_in_the_future(files: FileSystem) -> None:
    snapshot = taken(files)
    with pytest.raises(ModelError, match="in the past"):
        files.set_snapshot_expiration(snapshot, START)
    files.set_snapshot_expiration(snapshot, START + 1)
    assert files.set_snapshot_expiration(snapshot, None).expiration_ns is None


@pytest.mark.parametrize("ref", ["/src/new", "999", "relative", 10**9])
def test_what_a_snapshot_does_not_have(files: FileSystem, ref: str | int) -> None:
    snapshot = taken(files)
    new = files.create_file("/src", "new")
    for each in (ref, new.id):
        with pytest.raises(ModelError) as caught:
            files.resolve(each, snapshot=snapshot)
        assert caught.value.status == (400 if each == "relative" else 404)


def test_pages_do_not_depend_on_what_is_remembered(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        files.create_directory("/src", f"d{number}")
    older = taken(files)
    for number in range(4):
        files.bulk_create(f"/src/d{number}", 5)
    newer = taken(files)
    monkeypatch.setattr(tree_diff, "_NAMES_KEPT", 3)
    whole = files.tree_diff(newer, older).items
    found, after = [], ""
    while True:
        page = files.tree_diff(newer, older, after=after, limit=1)
        found += page.items
        after = page.next
        if not after:
            break
    assert found == whole
    assert len(whole) == 24
    assert len(files._diff_names) == 1


def test_deleting_the_last_snapshot_lets_go_of_removed_files(files: FileSystem) -> None:
    inode = files.create_file("/src", "f")
    snapshot = taken(files)
    files.remove("/src/f")
    assert files.resolve(inode.id, snapshot=snapshot).id == inode.id
    files.delete_snapshot(snapshot)
    assert files._table[inode.id] is None
    assert not files._orphans


def test_names_that_no_snapshot_sees_are_forgotten(files: FileSystem) -> None:
    files.create_file("/src", "first")
    keeper = taken(files)
    files.remove("/src/first")
    for number in range(400):
        files.create_file("/src", f"f{number}")
        snapshot = taken(files)
        files.remove(f"/src/f{number}")
        files.delete_snapshot(snapshot)
    files.create_file("/src", "g")
    second = taken(files)
    files.remove("/src/g")
    assert len(files.resolve("/src").directory.past or ()) < 130
    assert files.child_names("/src", snapshot=second) == ["g"]
    assert files.child_names("/src", snapshot=keeper) == ["first"]


def test_former_states_that_no_snapshot_sees_are_forgotten(files: FileSystem) -> None:
    inode = files.create_file("/src", "f")
    keeper = taken(files)
    for number in range(20):
        files.set_attributes("/src/f", mode=number)
        snapshot = taken(files)
        files.delete_snapshot(snapshot)
    states, state = 0, inode.older
    while state is not None:
        states, state = states + 1, state.older
    assert states < 3
    assert files.resolve(inode.id, snapshot=keeper).mode == 0o644


def test_any_link_below_the_source_is_covered(files: FileSystem) -> None:
    inode = files.create_file("/", "outside")
    files.create_link("/src", "inside", "/outside")
    snapshot = taken(files)
    assert files.resolve(inode.id, snapshot=snapshot).id == inode.id
    assert files.resolve("/src/inside", snapshot=snapshot).id == inode.id


# -- byte ranges ----------------------------------------------------------------------------


def regions(
    files: FileSystem, newer: int, older: int, version: int = 2
) -> list[tuple[str, int, int]]:
    key = "type" if version == 2 else "op"
    items = files.file_diff(newer, older, "/src/f", version=version).items
    return [
        (item[key].removeprefix("FILE_REGION_"), int(item["offset"]), int(item["size"]))
        for item in items
    ]


def test_regions_of_writes_and_truncations(files: FileSystem) -> None:
    files.create_file("/src", "f")
    files.write_synthetic("/src/f", 0, 10 * 4096)
    first = taken(files)
    files.write("/src/f", 4096 + 10, b"x")
    files.write_synthetic("/src/f", 9 * 4096, 2 * 4096 + 1)
    second = taken(files)
    files.truncate("/src/f", 4096)
    third = taken(files)
    assert regions(files, second, first) == [("DATA", 4096, 4096), ("DATA", 36864, 8193)]
    assert regions(files, second, first, 3) == [
        ("MODIFY", 4096, 4096),
        ("MODIFY", 36864, 4096),
        ("CREATE", 40960, 4097),
    ]
    assert regions(files, third, second) == [("HOLE", 4096, 40961)]
    assert regions(files, third, second, 3) == [("DELETE", 4096, 40961)]
    page = files.file_diff(second, first, "/src/f", limit=1)
    rest = files.file_diff(second, first, "/src/f", limit=1, after=page.next)
    assert (len(page.items), len(rest.items), rest.next) == (1, 1, "")


def test_what_has_no_byte_ranges(files: FileSystem) -> None:
    files.create_file("/src", "f")
    first, second = taken(files), taken(files)
    with pytest.raises(ModelError, match="older than"):
        files.file_diff(first, second, "/src/f")
    with pytest.raises(ModelError, match="not a regular file"):
        files.file_diff(second, first, "/src")
    with pytest.raises(ModelError, match="token"):
        files.file_diff(second, first, "/src/f", after="x")
    with pytest.raises(ModelError, match="limit"):
        files.file_diff(second, first, "/src/f", limit=0)
    assert files.file_diff(second, first, "/src/f").items == []


def test_file_that_is_new_is_data_throughout(files: FileSystem) -> None:
    first = taken(files)
    files.create_file("/src", "f")
    files.write("/src/f", 0, b"hello")
    second = taken(files)
    assert regions(files, second, first) == [("DATA", 0, 5)]


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["write", "truncate"]), st.integers(0, 60_000), st.binary(max_size=64)
    ),
    max_size=8,
)


@given(before=WRITES, during=WRITES, after=WRITES)
def test_every_changed_byte_is_in_a_region(
    before: list[tuple[str, int, bytes]],
    during: list[tuple[str, int, bytes]],
    after: list[tuple[str, int, bytes]],
) -> None:
    files = FileSystem()
    files.create_directory("/", "src")
    files.create_file("/src", "f")
    snapshots = []
    for changes in (before, during, after):
        for how, offset, data in changes:
            if how == "write":
                files.write("/src/f", offset, data)
            else:
                files.truncate("/src/f", offset)
        snapshots.append(taken(files))
    old = files.read("/src/f", snapshot=snapshots[0])
    new = files.read("/src/f", snapshot=snapshots[1])
    found = regions(files, snapshots[1], snapshots[0])
    size = max(len(old), len(new))
    covered = bytearray(size)
    position = -1
    for kind, offset, length in found:
        assert offset > position, "regions must ascend and not touch the same byte"
        position = offset + length - 1
        assert length > 0
        assert position < size
        covered[offset : offset + length] = b"\1" * length
        if kind == "HOLE":
            assert not any(new[offset : offset + length])
    for at in range(size):
        if old[at : at + 1] != new[at : at + 1]:
            assert covered[at], f"byte {at} changed unseen"
    written = any(data for how, _, data in during if how == "write")
    if not written and all(how == "write" for how, _, _ in during):
        assert found == []
