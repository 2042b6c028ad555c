# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists: applied to the old tree, they give the new one."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    attributes as changelist_attributes,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    directories,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Identity,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.names import (
    find_identity,
)
from tests.simulator.harness import Simulator
from tests.simulator.model import NFS_GID

NAMES = ["a", "b", "x-y", "x", "ä ö", 'q"<&>', "new\nline", "tab\there", "z.txt"]
Tree = dict[str, str]


def tree(client: Client, snapshot: int) -> Tree:
    """Relative path -> file ID and last change, or "/" for a directory."""
    found: Tree = {}
    for info in files.walk(client, [by_path("/p")], snapshot=snapshot):
        content = f"{info.id} {info.modification_time} {info.change_time}"
        found[info.path[len("/p/") :]] = "/" if info.type == files.DIRECTORY else content
    return found


class Changer:
    """Changes a tree at random, as people do."""

    def __init__(self, client: Client, seed: int) -> None:
        self._rest = client.rest.fs
        self._client = client
        self._chance = random.Random(seed)

    def _paths(self) -> list[tuple[str, str]]:
        return [(i.path, i.type) for i in files.walk(self._client, [by_path("/p")])]

    def step(self) -> None:
        paths = sorted(self._paths())
        directories = ["/p"] + [path for path, kind in paths if kind == files.DIRECTORY]
        above = self._chance.choice(directories)
        name = self._chance.choice(NAMES)
        action = self._chance.randrange(7)
        try:
            if action == 0:
                self._rest.create_directory(name=name, dir_path=above)
            elif action in (1, 2):
                self._rest.create_file(name=name, dir_path=above)
            elif not paths:
                return
            else:
                path, kind = self._chance.choice(paths)
                if action == 3:
                    self._rest.rename(name=name, source=path, dir_path=above, clobber=True)
                elif action == 4:
                    self._rest.delete(path=path)
                elif action == 5 and kind == files.FILE:
                    self._rest.write_file(io.BytesIO(b"new"), path=path)
                elif action == 6 and kind == files.FILE:
                    self._rest.create_link(name=name, target=path, dir_path=above)
        except errors.QumuloError:
            pass  # taken, not empty, or below itself: another step will do something


def pair(client: Client) -> tuple[snapshots.Snapshot, snapshots.Snapshot]:
    older, newer = snapshots.list_all(client)[-2:]
    return newer, older


def write(client: Client, dest: Path, **options: Any) -> bytes:
    newer, older = pair(client)
    order = Order(str(dest), options.pop("format"), options.pop("attributes", "none"), **options)
    build(client, newer, older, order, check_mode=False)
    return dest.read_bytes()


def remove(result: Tree, path: str) -> None:
    for known in [p for p in result if p == path or p.startswith(path + "/")]:
        del result[known]


def apply(old: Tree, new: Tree, lines: Iterator[tuple[str, str, str]]) -> Tree:
    """What a consumer makes of the old tree: it fetches what is listed from the new one."""
    result = dict(old)
    for operation, path, kind in lines:
        if operation == "delete":
            remove(result, path)
        else:
            assert (new[path] == "/") == (kind == "directory"), path
            if kind != "directory" and result.get(path) == "/":
                remove(result, path)
            result[path] = new[path]
    return result


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("children", [False, True])
def test_the_list_turns_the_old_tree_into_the_new(
    simulator: Simulator, client: Client, tmp_path: Path, seed: int, children: bool
) -> None:
    simulator.control("diff/children", listed=children)
    client.rest.fs.create_directory(name="p", dir_path="/")
    changer = Changer(client, seed)
    for _turn in range(25):
        changer.step()
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="old", source_file_id=source)
    for _turn in range(25):
        changer.step()
    client.rest.snapshot.create_snapshot(name="new", source_file_id=source)
    newer, older = pair(client)
    old, new = tree(client, older.id), tree(client, newer.id)

    text = write(client, tmp_path / "j", format="jsonl", deletes=True).decode()
    entries = [json.loads(line) for line in text.splitlines()]
    lines = ((entry["op"], entry["path"], entry["type"]) for entry in entries)
    assert apply(old, new, lines) == new

    text = write(client, tmp_path / "c", format="csv", deletes=True).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert apply(old, new, ((row["op"], row["path"], row["type"]) for row in rows)) == new

    # rsync --delete-missing-args: what is listed is copied if it is there, and else deleted.
    raw = write(client, tmp_path / "n", format="nul", deletes=True)
    result = dict(old)
    listed = [name.decode() for name in raw.split(b"\0") if name]
    for path in sorted(listed):
        if path not in new or (new[path] != "/") != (result.get(path, new[path]) != "/"):
            remove(result, path)
    for path in listed:
        if path in new:
            result[path] = new[path]
    assert result == new

    write(client, tmp_path / "x", format="xml", attributes="api", deletes=True)
    result = dict(old)
    parsed = list(ElementTree.parse(tmp_path / "x").getroot())
    for element in parsed:
        if element.tag == "delete-file":
            remove(result, element.attrib["name"][len("/p/") :])
    for element in parsed:
        assert element.tag != "bad-dir"
        if element.tag == "file":
            path = element.attrib["name"]
            assert (element.attrib["type"] == "F_DIR") == (new[path] == "/")
            result[path] = new[path]
    assert result == new


@pytest.fixture
def small(simulator: Simulator, client: Client) -> Simulator:
    for path in ("/p/kept.txt", "/p/gone/one.txt", "/p/gone/two.txt", "/p/old.txt"):
        simulator.control("files/put", path=path, content="12345")
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="old", source_file_id=source)
    simulator.control("files/put", path="/p/kept.txt", content="1234567")
    simulator.control("files/put", path="/p/made/in/it.txt", content="1")
    simulator.control("files/put", path="/p/\x01bad", content="")
    client.rest.fs.create_symlink(name="link", target="kept.txt", dir_path="/p")
    for path in ("/p/gone/one.txt", "/p/gone/two.txt", "/p/gone", "/p/old.txt"):
        client.rest.fs.delete(path=path)
    client.rest.snapshot.create_snapshot(name="new", source_file_id=source)
    return simulator


def test_the_xml_is_as_its_consumers_read_it(
    small: Simulator, client: Client, tmp_path: Path
) -> None:
    text = write(
        client, tmp_path / "x", format="xml", attributes="api", deletes=True, index=3
    ).decode()
    newer, _older = pair(client)
    now = int(newer.taken.timestamp())
    mtime = {
        path: int(errors_free(client, path).timestamp())
        for path in ("/p/kept.txt", "/p/made/in/it.txt", "/p/made/in", "/p/made")
    }

    def line(name: str, size: int, kind: str, path: str) -> str:
        known = files.get(client, by_path(path))
        atime = int(snapshots.parse_rfc3339(known.access_time).timestamp())
        return (
            f'    <file name="{name}" size="{size}" mode="0x777" type="{kind}" '
            f'mtime="{mtime[path]}" atime="{atime}" owner="65534" group="65534" index="3"/>\n'
        )

    nothing = f'size="0" mode="0x777" type="{{}}" mtime="{now}" atime="{now}" owner="0" group="0"'
    file, directory = nothing.format("F_REG"), nothing.format("F_DIR")
    assert text == (
        '<files scanned="2" selected="2" size="8" bad_dir_count="1" delete_count="1">\n'
        f'    <delete-file name="/p/old.txt" {file} index="3"/>\n'
        + line("made/in/it.txt", 1, "F_REG", "/p/made/in/it.txt")
        + line("made/in", 0, "F_DIR", "/p/made/in")
        + line("made", 0, "F_DIR", "/p/made")
        + line("kept.txt", 7, "F_REG", "/p/kept.txt")
        + f'    <delete-file name="/p/gone" {directory} index="3"/>\n'
        f'    <bad-dir name="\ufffdbad" {file} index="3"/>\n'
        "</files>\n"
    )


def errors_free(client: Client, path: str) -> Any:
    return snapshots.parse_rfc3339(files.get(client, by_path(path)).modification_time)


def test_the_sample_shows_names_as_the_list_has_them(
    small: Simulator, client: Client, tmp_path: Path
) -> None:
    newer, older = pair(client)
    for form, name in (("jsonl", "old.txt"), ("xml", "/p/old.txt")):
        order = Order(str(tmp_path / form), form, "api", deletes=True)
        sample = build(client, newer, older, order, check_mode=False).sample
        assert f"delete {name}" in sample and "modify kept.txt" in sample


def test_what_was_in_a_deleted_directory_on_request(
    small: Simulator, client: Client, tmp_path: Path
) -> None:
    for expand, expected in ((False, 2), (True, 4)):
        newer, older = pair(client)
        order = Order(str(tmp_path / "j"), "jsonl", "none", deletes=True, expand_deleted=expand)
        result = build(client, newer, older, order, check_mode=False)
        assert result.totals.deleted == expected


def test_attributes_from_a_mount_never_lead_out_of_it(
    small: Simulator, client: Client, tmp_path: Path
) -> None:
    mount, outside = tmp_path / "mount", tmp_path / "outside"
    (outside / "in").mkdir(parents=True)
    (outside / "in" / "it.txt").write_text("secret")
    mount.mkdir()
    (mount / "kept.txt").write_text("1234567")
    (mount / "made").symlink_to(outside)
    text = write(
        client,
        tmp_path / "j",
        format="jsonl",
        attributes="mount",
        base_path="/p/",
        map_to=str(mount),
    ).decode()
    lines = {line["path"]: line for line in map(json.loads, text.splitlines())}
    assert lines["kept.txt"]["size"] == 7
    assert "error" in lines["made/in/it.txt"] and "size" not in lines["made/in/it.txt"]
    assert "error" in lines["made"] and "size" not in lines["made"]


@pytest.mark.parametrize("children", [False, True])
def test_the_directory_itself_can_have_been_renamed(
    simulator: Simulator, client: Client, tmp_path: Path, children: bool
) -> None:
    simulator.control("diff/children", listed=children)
    for path in ("/p/again/x", "/p/again/y", "/p/moved/z", "/p/gone/1", "/p/gone/2", "/p/f"):
        simulator.control("files/put", path=path, content="1")
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="old", source_file_id=source)
    for path in ("/p/again/x", "/p/again/y", "/p/again", "/p/gone/1", "/p/gone/2", "/p/gone"):
        client.rest.fs.delete(path=path)
    simulator.control("files/put", path="/p/again/new", content="1")
    client.rest.fs.rename(name="there", source="/p/moved", dir_path="/p")
    client.rest.fs.rename(name="g", source="/p/f", dir_path="/p")
    client.rest.fs.rename(name="longer-name", source="/p", dir_path="/")
    client.rest.snapshot.create_snapshot(name="new", source_file_id=source)

    def found(**options: Any) -> set[str]:
        raw = write(client, tmp_path / "j", format="jsonl", deletes=True, **options)
        lines = [json.loads(line) for line in raw.decode().splitlines()]
        assert not any("error" in line for line in lines)
        return {f"{line['op']} {line['path']}" for line in lines}

    deleted = {"delete again", "delete again/x", "delete again/y", "delete gone"}
    made = {"create again", "create again/new"}
    moved = {"delete moved", "create there", "create there/z", "delete f", "create g"}
    inside = {"delete gone/1", "delete gone/2"} if children else set()
    z = {"delete moved/z"} if children else set()
    assert found() == deleted | made | moved | inside | z
    renamed = found(renames=True, attributes="api", expand_deleted=True)
    expected = deleted | made | {"rename there", "rename g", "delete gone/1", "delete gone/2"}
    assert renamed == expected


def test_attributes_from_a_mount_of_the_whole_cluster(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    top = files.get(client, by_path("/")).id
    mount = tmp_path / "mount"
    (mount / "d").mkdir(parents=True)
    client.rest.snapshot.create_snapshot(name="old", source_file_id=top)
    for name in ("a", "b", "d/c"):
        simulator.control("files/put", path=f"/{name}", content="1")
        (mount / name).write_text("12")
    client.rest.snapshot.create_snapshot(name="new", source_file_id=top)
    text = write(
        client, tmp_path / "j", format="jsonl", attributes="mount", map_to=str(mount)
    ).decode()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["path"], line.get("size")) for line in lines] == [
        ("a", 2),
        ("b", 2),
        ("d", 0),
        ("d/c", 2),
    ]


def test_a_base_path_is_cut_off_to_the_letter(
    small: Simulator, client: Client, tmp_path: Path
) -> None:
    raw = write(client, tmp_path / "n", format="nul", base_path="/p")
    assert b"/kept.txt\0" in raw
    raw = write(client, tmp_path / "n", format="nul", base_path="/")
    assert b"p/kept.txt\0" in raw


def test_the_same_list_is_left_alone_and_nothing_else_is_there(
    small: Simulator, client: Client, tmp_path: Path
) -> None:
    newer, older = pair(client)
    for form in ("jsonl", "csv", "xml", "nul"):
        order = Order(str(tmp_path / form), form, "api", deletes=True)
        assert build(client, newer, older, order, check_mode=True).changed
        assert build(client, newer, older, order, check_mode=False).changed
        assert not build(client, newer, older, order, check_mode=False).changed
    assert sorted(os.listdir(tmp_path)) == ["csv", "jsonl", "nul", "xml"]


def test_owners_have_their_numbers(small: Simulator, client: Client, tmp_path: Path) -> None:
    client.rest.fs.set_file_attr(path="/p/kept.txt", owner=str((3 << 32) + 1234))
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="newest", source_file_id=source)
    text = write(client, tmp_path / "x", format="xml", attributes="api").decode()
    assert 'owner="1234"' in text


def test_a_group_has_its_own_number(
    small: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_identity(client, str(NFS_GID + 42)).gid == 42
    numbers = {"77": (None, 5077), "78": (6078, 5078)}

    def find(_client: Client, auth_id: str) -> Identity:
        uid, gid = numbers.get(auth_id, (None, None))
        return Identity(auth_id, uid=uid, gid=gid)

    monkeypatch.setattr(changelist_attributes, "find_identity", find)
    for path, group in (("/p/kept.txt", "77"), ("/p/made/in/it.txt", "78")):
        client.rest.fs.set_file_attr(path=path, owner="78", group=group)
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="newest", source_file_id=source)
    text = write(client, tmp_path / "x", format="xml", attributes="api").decode()
    assert text.count('owner="6078" group="5077"') == 1
    assert text.count('owner="6078" group="5078"') == 1


@contextmanager
def copying(simulator: Simulator, settings: Any) -> Iterator[Client]:
    """A client whose account may compare snapshots, and read no file of others."""
    simulator.control(
        "users/add",
        name="copier",
        password="x",
        privileges=["PRIVILEGE_SNAPSHOT_READ", "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ"],
    )
    with Client(settings("nobody", username="copier", password="x")) as client:
        yield client


def test_a_file_without_permission_is_marked(
    small: Simulator, client: Client, settings: Any, tmp_path: Path
) -> None:
    client.rest.fs.set_file_attr(path="/p/made/in", mode="0700")
    client.rest.snapshot.create_snapshot(
        name="x", source_file_id=files.get(client, by_path("/p")).id
    )
    listed = snapshots.list_all(client)
    with copying(small, settings) as copier:
        order = Order(str(tmp_path / "j"), "jsonl", "api")
        result = build(copier, listed[-1], listed[0], order, check_mode=False)
    assert result.totals.unreadable == 1 and result.warnings


def test_a_snapshot_that_is_gone_in_the_end_makes_no_list(
    small: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer, older = pair(client)
    monkeypatch.setattr(directories, "read", lambda *_args, **_options: None)
    get = files.get

    def late(*args: Any, **kwargs: Any) -> files.FileInfo:
        snapshots.delete(client, newer)
        return get(*args, **kwargs)

    monkeypatch.setattr(files, "get", late)
    with pytest.raises(errors.NotFoundError, match="no snapshot with ID"):
        build(client, newer, older, Order(str(tmp_path / "j"), "jsonl", "api"), check_mode=False)
    assert os.listdir(tmp_path) == []


def test_what_is_without_permission_is_in_the_order_of_its_path(
    small: Simulator, client: Client, settings: Any, tmp_path: Path
) -> None:
    for number in range(20):
        small.control("files/put", path=f"/p/many/{number:02}/x")
        client.rest.fs.set_file_attr(path=f"/p/many/{number:02}", mode="0700")
    client.rest.snapshot.create_snapshot(
        name="x", source_file_id=files.get(client, by_path("/p")).id
    )
    listed = snapshots.list_all(client)
    with copying(small, settings) as copier:
        order = Order(str(tmp_path / "j"), "jsonl", "none")
        build(copier, listed[-1], listed[0], order, check_mode=False)
        assert not build(copier, listed[-1], listed[0], order, check_mode=False).changed
    lines = map(json.loads, (tmp_path / "j").read_text().splitlines())
    marked = [line["path"] for line in lines if "error" in line]
    assert marked == [f"many/{number:02}" for number in range(20)]


@pytest.mark.parametrize("kind", ["429", "503", "reset_before", "reset_after", "cut_body"])
def test_with_faults_the_list_is_whole(
    small: Simulator, client: Client, tmp_path: Path, kind: str
) -> None:
    expected = write(client, tmp_path / "a", format="jsonl", attributes="api", deletes=True)
    small.control("pages", diff=2, entries=1)
    small.control("faults/add", route=".", kind=kind, probability=0.2, seed=5, retry_after=0.02)
    found = write(client, tmp_path / "b", format="jsonl", attributes="api", deletes=True)
    small.control("faults/clear")
    assert found == expected


def test_a_fault_that_stays_leaves_no_file(
    small: Simulator, client: Client, settings: Any, tmp_path: Path
) -> None:
    newer, older = pair(client)
    for route in ("entries", "changes-since"):
        small.control("faults/add", route=route, kind="503")
        for attributes in ("none", "api"):
            order = Order(str(tmp_path / "j"), "jsonl", attributes)
            with Client(settings(retries=1)) as other, pytest.raises(errors.BusyError):
                build(other, newer, older, order, check_mode=False)
        small.control("faults/clear")
    assert os.listdir(tmp_path) == []
