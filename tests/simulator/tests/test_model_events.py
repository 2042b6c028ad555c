# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the simulated file system."""

from __future__ import annotations

import pytest

from tests.simulator.model import Clock, Event, FileSystem, ModelError


@pytest.fixture
def files() -> FileSystem:
    files = FileSystem(Clock())
    files.create_directory("/", "a")
    files.create_directory("/a", "b")
    files.create_file("/a/b", "f")
    return files


@pytest.fixture
def heard(files: FileSystem) -> list[Event]:
    events: list[Event] = []
    files.listeners.append(events.append)
    return events


def told(heard: list[Event]) -> list[tuple[str, str]]:
    found = [(event.type, event.path) for event in heard]
    heard.clear()
    return found


def test_spine_and_names(files: FileSystem, heard: list[Event]) -> None:
    inode = files.create_file("/a/b", "new")
    event = heard[0]
    assert event.spine == (2, 3, 4, inode.id)
    assert event.names == ("a", "b", "new")
    assert not event.is_directory


def test_each_operation(files: FileSystem, heard: list[Event]) -> None:
    files.create_file("/a", "x")
    assert told(heard) == [("child_file_added", "/a/x"), ("child_mtime_changed", "/a")]
    files.create_directory("/a", "d")
    assert told(heard) == [("child_dir_added", "/a/d"), ("child_mtime_changed", "/a")]
    files.write("/a/x", 3, b"abc")
    assert (heard[0].offset, heard[0].size) == (3, 3)
    assert told(heard) == [
        ("child_data_written", "/a/x"),
        ("child_size_changed", "/a/x"),
        ("child_mtime_changed", "/a/x"),
    ]
    files.write("/a/x", 0, b"abc")
    assert told(heard) == [("child_data_written", "/a/x"), ("child_mtime_changed", "/a/x")]
    files.truncate("/a/x", 1)
    assert told(heard) == [("child_size_changed", "/a/x"), ("child_mtime_changed", "/a/x")]
    files.rename("/a/b", "/a/d", "moved")
    assert told(heard) == [
        ("child_dir_moved_from", "/a/b"),
        ("child_dir_moved_to", "/a/d/moved"),
        ("child_mtime_changed", "/a"),
        ("child_mtime_changed", "/a/d"),
    ]
    files.set_attributes(
        "/a/x",
        mode=0o600,
        owner=501,
        group=501,
        access_time=1,
        modification_time=1,
        creation_time=1,
        extended_attributes={"hidden": True},
    )
    kinds = ("acl", "owner", "group", "atime", "mtime", "btime", "extra_attrs")
    assert told(heard) == [(f"child_{kind}_changed", "/a/x") for kind in kinds]
    files.remove("/a/x")
    assert told(heard) == [("child_file_removed", "/a/x"), ("child_mtime_changed", "/a")]
    files.touch_access_time("/a/d/moved/f")
    assert told(heard) == [("child_atime_changed", "/a/d/moved/f")]


def test_removed_tree_is_told_from_below(files: FileSystem, heard: list[Event]) -> None:
    files.delete_tree("/a")
    removed = [event for event in told(heard) if event[0].endswith("_removed")]
    assert removed == [
        ("child_file_removed", "/a/b/f"),
        ("child_dir_removed", "/a/b"),
        ("child_dir_removed", "/a"),
    ]


def test_each_link_is_told(files: FileSystem, heard: list[Event]) -> None:
    files.create_link("/", "link", "/a/b/f")
    told(heard)
    files.write("/link", 0, b"x")
    written = [event.path for event in heard if event.type == "child_data_written"]
    assert sorted(written) == ["/a/b/f", "/link"]


def test_listener_sees_the_change_done(files: FileSystem) -> None:
    seen: list[object] = []

    def listen(event: Event) -> None:
        if event.type in ("child_file_removed", "child_file_moved_from"):
            with pytest.raises(ModelError):
                files.resolve(event.path)
            seen.append(event.type)
        if event.type in ("child_file_added", "child_file_moved_to"):
            assert files.resolve(event.path).id == event.spine[-1]
            seen.append(event.type)

    files.listeners.append(listen)
    files.create_file("/", "x")
    files.rename("/x", "/a", "y")
    files.remove("/a/y")
    assert seen == [
        "child_file_added",
        "child_file_moved_from",
        "child_file_moved_to",
        "child_file_removed",
    ]


def test_bulk_tells_each_file(files: FileSystem, heard: list[Event]) -> None:
    files.bulk_create("/a", 3, pattern="n{}")
    assert told(heard) == [
        ("child_file_added", "/a/n0"),
        ("child_file_added", "/a/n1"),
        ("child_file_added", "/a/n2"),
        ("child_mtime_changed", "/a"),
    ]


def test_refusal_is_silent(files: FileSystem, heard: list[Event]) -> None:
    files.lock_file("/a/b/f", legal_hold=True)
    with pytest.raises(ModelError):
        files.rename("/a/b/f", "/", "g")
    with pytest.raises(ModelError):
        files.remove("/a/b/f")
    assert heard == []
