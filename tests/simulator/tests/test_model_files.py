# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of the simulated file system, one fact at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.model import Clock, FileSystem, ModelError

START = 1_800_000_000_000_000_000


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.freeze()
    clock.set(START)
    return clock


@pytest.fixture
def files(clock: Clock) -> FileSystem:
    return FileSystem(clock)


def names(files: FileSystem, path: str, limit: int = 1000) -> list[str]:
    found, after = [], ""
    while True:
        page = files.entries(path, after=after, limit=limit)
        found += [entry["name"] for entry in page.items]
        after = page.next
        if not after:
            return found


def test_attributes_of_a_new_file(files: FileSystem) -> None:
    files.create_directory("/", "dir")
    files.create_file("/dir", "file", owner=501)
    shown = files.attributes("/dir/file", lock=True)
    assert shown["path"] == "/dir/file"
    assert shown["type"] == "FS_FILE_TYPE_FILE"
    assert shown["owner_details"] == {"id_type": "LOCAL_USER", "id_value": "guest"}
    assert shown["creation_time"] == shown["access_time"] == "2027-01-15T08:00:00Z"
    assert shown["lock"] == {"legal_hold": False, "retention_period": None}
    assert files.attributes("/dir")["path"] == "/dir/"
    assert files.attributes("/")["path"] == "/"
    assert files.attributes("/dir")["child_count"] == 1
    assert "lock" not in files.attributes("/dir/file")


def test_times_have_nanoseconds(files: FileSystem) -> None:
    files.create_file("/", "f")
    files.set_attributes("/f", access_time=START + 1, creation_time=1)
    shown = files.attributes("/f")
    assert shown["access_time"] == "2027-01-15T08:00:00.000000001Z"
    assert shown["creation_time"] == "1970-01-01T00:00:00.000000001Z"
    assert shown["modification_time"] == "2027-01-15T08:00:00Z"


def test_nfs_owner_is_shown_as_uid(files: FileSystem) -> None:
    files.create_file("/", "f", owner=(3 << 32) + 33, group=(4 << 32) + 44)
    shown = files.attributes("/f")
    assert shown["owner"] == "12884901921"
    assert shown["owner_details"] == {"id_type": "NFS_UID", "id_value": "33"}
    assert shown["group_details"] == {"id_type": "NFS_GID", "id_value": "44"}


def test_extended_attributes_and_mode(files: FileSystem) -> None:
    files.create_file("/", "f")
    files.set_attributes("/f", extended_attributes={"hidden": True, "offline": True}, mode=0o4750)
    files.set_attributes("/f", extended_attributes={"hidden": False})
    shown = files.attributes("/f")
    assert shown["mode"] == "4750"
    assert [name for name, on in shown["extended_attributes"].items() if on] == ["offline"]


def test_devices_show_their_numbers(files: FileSystem) -> None:
    files.create_unix_file("/", "null", "FS_FILE_TYPE_UNIX_CHARACTER_DEVICE", major=1, minor=3)
    shown = files.attributes("/null")
    assert shown["type"] == "FS_FILE_TYPE_UNIX_CHARACTER_DEVICE"
    assert shown["major_minor_numbers"] == {"major": 1, "minor": 3}


def refusals() -> dict[str, tuple[Callable[[FileSystem], Any], int, str]]:
    return {
        "missing path": (lambda f: f.attributes("/no/x"), 404, "fs_no_such_entry_error"),
        "missing id": (lambda f: f.attributes("999"), 404, "fs_no_such_entry_error"),
        "below a file": (lambda f: f.attributes("/file/x"), 404, "fs_no_such_entry_error"),
        "relative": (lambda f: f.attributes("file"), 400, "fs_file_path_invalid_error"),
        "file as directory": (lambda f: f.entries("/file"), 400, "fs_not_a_directory_error"),
        "create in file": (lambda f: f.create_file("/file", "x"), 400, "fs_not_a_directory_error"),
        "read directory": (lambda f: f.read("/dir"), 400, "fs_not_a_file_error"),
        "write directory": (lambda f: f.write("/dir", 0, b"x"), 400, "fs_not_a_file_error"),
        "exists": (lambda f: f.create_directory("/", "file"), 409, "fs_entry_exists_error"),
        "not empty": (lambda f: f.remove("/dir"), 409, "fs_directory_not_empty_error"),
        "slash": (lambda f: f.create_file("/", "a/b"), 400, "fs_invalid_name_error"),
        "dots": (lambda f: f.create_file("/", ".."), 400, "fs_invalid_name_error"),
        "long": (lambda f: f.create_file("/", "n" * 256), 400, "fs_name_size_error"),
        "cycle": (lambda f: f.rename("/dir", "/dir/sub", "d"), 400, "fs_directory_cycle_error"),
        "negative": (lambda f: f.truncate("/file", -1), 400, "fs_invalid_size_error"),
        "link to directory": (
            lambda f: f.create_link("/", "l", "/dir"),
            400,
            "fs_invalid_file_type_error",
        ),
        "which link": (
            lambda f: f.remove(f.create_link("/", "l", "/file").id),
            400,
            "fs_entry_hardlink_ambiguity_error",
        ),
        "path of no directory": (lambda f: f.resolve("/file/"), 400, "fs_not_a_directory_error"),
        "remove root": (lambda f: f.remove("/"), 400, "fs_invalid_file_type_error"),
        "rename root": (lambda f: f.rename("/", "/dir", "r"), 400, "fs_invalid_file_type_error"),
        "which link moves": (
            lambda f: f.rename(f.create_link("/", "l", "/file").id, "/", "m"),
            400,
            "fs_entry_hardlink_ambiguity_error",
        ),
        "no Unix type": (
            lambda f: f.create_unix_file("/", "u", "FS_FILE_TYPE_FILE"),
            400,
            "fs_invalid_file_type_error",
        ),
        "limit": (lambda f: f.entries("/", limit=0), 400, "http_bad_request_error"),
        "order": (lambda f: f.aggregates("/", order_by="x"), 400, "http_bad_request_error"),
        "totals of file": (lambda f: f.aggregates("/file"), 400, "fs_not_a_directory_error"),
        "size of directory": (
            lambda f: f.set_attributes("/dir", size=1),
            400,
            "fs_not_a_file_error",
        ),
        "unknown attribute": (
            lambda f: f.set_attributes("/file", extended_attributes={"x": True}),
            400,
            "fs_invalid_attrs_error",
        ),
        "no symlink": (lambda f: f.read_link("/file"), 400, "fs_not_a_file_error"),
        "names of file": (lambda f: f.child_names("/file"), 400, "fs_not_a_directory_error"),
        "bad pattern": (
            lambda f: f.bulk_create("/", 1, pattern="{x}"),
            400,
            "fs_invalid_name_error",
        ),
        "same name": (lambda f: f.bulk_create("/", 2, pattern="x"), 409, "fs_entry_exists_error"),
        "suffix": (lambda f: f.take_snapshot("/", "a/b"), 400, "fs_invalid_name_error"),
        "token": (lambda f: f.entries("/", after="%"), 400, "http_bad_request_error"),
        "mode": (lambda f: f.set_attributes("/file", mode=-1), 400, "fs_invalid_attrs_error"),
        "lock directory": (
            lambda f: f.lock_file("/dir", legal_hold=True),
            400,
            "fs_invalid_file_type_error",
        ),
        "snapshot": (lambda f: f.read("/file", snapshot=9), 404, "snapshot_not_found_error"),
        "snapshot of file": (
            lambda f: f.take_snapshot("/file", "s"),
            400,
            "fs_not_a_directory_error",
        ),
    }


@pytest.mark.parametrize("case", refusals())
def test_refusal(files: FileSystem, case: str) -> None:
    do, status, error_class = refusals()[case]
    files.create_file("/", "file")
    files.create_directory("/", "dir")
    files.create_directory("/dir", "sub")
    with pytest.raises(ModelError) as caught:
        do(files)
    assert (caught.value.status, caught.value.error_class) == (status, error_class)
    assert names(files, "/dir") == ["sub"]


def test_missing_name_is_told_with_its_parent(files: FileSystem) -> None:
    with pytest.raises(ModelError, match=r"^gone \{ ino=2 \}$"):
        files.attributes("/gone")


def test_content_beyond_the_buffer_reads_as_zeros(clock: Clock) -> None:
    files = FileSystem(clock, buffer_limit=8)
    files.create_file("/", "f")
    files.write("/f", 4, b"abcdefgh")
    assert files.read("/f") == b"\0\0\0\0abcd\0\0\0\0"
    assert files.read("/f", offset=6, length=3) == b"cd\0"
    assert files.read("/f", offset=12) == b""


def test_synthetic_write_is_as_one_of_zeros(files: FileSystem) -> None:
    files.create_file("/", "f")
    files.write("/f", 0, b"abcdef")
    files.write_synthetic("/f", 2, 1 << 40)
    assert files.attributes("/f")["size"] == str((1 << 40) + 2)
    assert files.read("/f", length=8) == b"ab\0\0\0\0\0\0"


def test_truncated_bytes_do_not_come_back(files: FileSystem) -> None:
    files.create_file("/", "f")
    files.write("/f", 0, b"abcdef")
    files.truncate("/f", 2)
    files.truncate("/f", 4)
    assert files.read("/f") == b"ab\0\0"


def test_etag_changes_with_the_file_alone(files: FileSystem) -> None:
    files.create_file("/", "f")
    files.create_file("/", "g")
    before = files.etag("/f")
    files.write("/g", 0, b"x")
    assert files.etag("/f") == before
    files.set_attributes("/f", mode=0o600)
    assert files.etag("/f") != before


def test_entries_are_stable_while_others_come_and_go(files: FileSystem) -> None:
    files.bulk_create("/", 100, pattern="keep-{}")
    files.bulk_create("/", 50, pattern="gone-{}")
    found, after, number = [], "", 0
    while True:
        page = files.entries("/", after=after, limit=7)
        found += [entry["name"] for entry in page.items]
        files.create_file("/", f"new-{number}")
        files.remove(f"/gone-{number}")
        number += 1
        after = page.next
        if not after:
            break
    assert len(found) == len(set(found))
    assert {f"keep-{i}" for i in range(100)} <= set(found)


def test_entries_are_not_in_alphabetical_order(files: FileSystem) -> None:
    files.bulk_create("/", 20)
    found = names(files, "/")
    assert found != sorted(found)
    assert names(files, "/", limit=3) == found


def test_pattern_ignores_case_and_fills_pages(files: FileSystem) -> None:
    files.bulk_create("/", 30, pattern="a{}.TXT")
    files.bulk_create("/", 30, pattern="b{}.doc")
    page = files.entries("/", limit=20, smb_pattern="*.txt")
    rest = files.entries("/", limit=20, after=page.next, smb_pattern="*.txt")
    assert len(page.items) == 20
    found = {entry["name"] for entry in page.items + rest.items}
    assert found == {f"a{i}.TXT" for i in range(30)}


def test_bulk_files_are_like_others(files: FileSystem) -> None:
    directory = files.create_directory("/", "d")
    first = files.bulk_create(directory.id, 10, size=5000, pattern="x{:03d}", start=5)
    assert sorted(names(files, "/d")) == [f"x{i:03d}" for i in range(5, 15)]
    assert files.attributes(first)["path"] == "/d/x005"
    assert files.aggregates("/")[0]["total_data"] == str(10 * 2 * 4096)
    assert files.attributes("/d")["child_count"] == 10
    with pytest.raises(ModelError, match="x014"):
        files.bulk_create("/d", 3, pattern="x{:03d}", start=14)
    assert files.count() == 12


def test_aggregates_go_down_and_list_the_largest(files: FileSystem) -> None:
    files.create_directory("/", "a")
    files.create_directory("/a", "b")
    files.bulk_create("/a/b", 4, size=4096)
    files.bulk_create("/a", 1, size=100 * 4096, pattern="big{}")
    top, below = files.aggregates("/", max_entries=1, max_depth=2)
    assert top["total_files"] == "5"
    assert top["total_directories"] == "2"
    assert below["path"] == "/a/"
    assert [child["name"] for child in below["files"]] == ["big0"]
    by_files = files.aggregates("/a", max_entries=1, order_by="total_files")[0]["files"][0]
    assert (by_files["name"], by_files["num_files"]) == ("b", "4")


def test_directory_moved_takes_its_totals_along(files: FileSystem) -> None:
    for name in ("a", "b"):
        files.create_directory("/", name)
    files.create_directory("/a", "d")
    files.bulk_create("/a/d", 3, size=1)
    files.rename("/a/d", "/b", "e")
    assert files.aggregates("/a")[0]["total_files"] == "0"
    assert files.aggregates("/b")[0]["total_files"] == "3"
    assert files.path_of(files.resolve("/b/e/file-0000000").id) == "/b/e/file-0000000"


def test_link_count_and_survivor(files: FileSystem) -> None:
    inode = files.create_file("/", "a")
    files.create_link("/", "b", "/a")
    files.write("/b", 0, b"same")
    assert files.read("/a") == b"same"
    files.remove("/a")
    assert files.path_of(inode.id) == "/b"
    assert files.attributes(inode.id)["num_links"] == 1
    files.remove(inode.id)
    with pytest.raises(ModelError):
        files.resolve(inode.id)


def test_clock_is_set_skewed_and_frozen() -> None:
    host = [1000]
    clock = Clock(lambda: host[0])
    clock.skew(50)
    host[0] = 2000
    assert clock.now_ns() == 2050
    clock.set(10)
    host[0] += 5
    assert clock.now_ns() == 15
    clock.freeze()
    host[0] += 100
    clock.advance(1)
    assert clock.now_ns() == 16
    clock.run()
    host[0] += 4
    assert clock.now_ns() == 20


def api(endpoint: str) -> dict[str, Any]:
    shapes = json.loads((Path(__file__).parents[1] / "rest-api.json").read_text())
    body: dict[str, Any] = shapes["endpoints"][endpoint]["response_body"]
    return body


def test_every_member_of_the_api_is_there(files: FileSystem) -> None:
    files.create_directory("/", "d")
    files.create_file("/d", "f")
    attributes = api("GET /v1/files/{ref}/info/attributes")["properties"]
    assert set(files.attributes("/d/f", lock=True)) == set(attributes)
    entries = api("GET /v1/files/{ref}/entries/")["properties"]["files"]["items"]["properties"]
    assert set(files.entries("/d").items[0]) == set(entries)
    totals = api("GET /v1/files/{ref}/recursive-aggregates/")["items"]["properties"]
    shown = files.aggregates("/")[0]
    assert set(shown) == set(totals)
    assert set(shown["files"][0]) == set(totals["files"]["items"]["properties"])
    first = files.take_snapshot("/", "first")
    files.write("/d/f", 0, b"x")
    second = files.take_snapshot("/", "second")
    snapshot = api("GET /v3/snapshots/{id}")["properties"]
    assert set(files.render_snapshot(first)) == set(snapshot)
    status = api("GET /v4/snapshots/status/")["properties"]["entries"]["items"]["properties"]
    assert set(files.render_snapshot(first, status=True)) == set(status)
    prefix = "GET /v2/snapshots/{newer_id}/changes-since/{older_id}"
    change = api(prefix)["properties"]["entries"]["items"]["properties"]
    assert set(files.tree_diff(second.id, first.id).items[0]) == set(change)
    region = api(prefix + "/files/{ref}")["properties"]["entries"]["items"]["properties"]
    assert set(files.file_diff(second.id, first.id, "/d/f").items[0]) == set(region)


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb"])
def test_lone_surrogates_are_refused(files: FileSystem, text: str) -> None:
    with pytest.raises(ModelError, match="Unicode"):
        files.create_file("/", text)
    with pytest.raises(ModelError, match="Unicode"):
        files.create_symlink("/", "link", text)
    assert files.child_names("/") == []
