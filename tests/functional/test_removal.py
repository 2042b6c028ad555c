# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletions in a copy: how deep, as whom, and by whose list."""

from __future__ import annotations

import grp
import json
import os
import pwd
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import removal
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import (
    tree_removal,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from tests.simulator.harness import Simulator

from .furnished import play
from .other_account import OTHER, as_other, place_of_other

DEPTH = 5000
ROOT = os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    with place_of_other() as made:
        yield made


def make_deep(top: Path, depth: int) -> None:
    """Make directories in one another, a file and a link to ``/etc`` in each."""
    at = os.open(top, os.O_RDONLY)
    for number in range(depth):
        name = f"d{number % 10}"
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o400, dir_fd=at))
        os.symlink("/etc", "link", dir_fd=at)
    os.close(at)


def listed(place: Path, *names: str) -> str:
    path = place / "list"
    path.write_bytes(b"".join(os.fsencode(name) + b"\0" for name in names))
    path.chmod(0o640)
    return str(path)


def few_files() -> None:
    """Leave room for few open files."""
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 10, highest + 10))


def test_a_tree_of_any_depth_is_deleted_with_few_open_files(place: Path) -> None:
    def work() -> None:
        copy = place / "copy"
        copy.mkdir()
        make_deep(copy, DEPTH)
        names = listed(place, "d0")
        few_files()
        assert removal.apply(names, str(copy), check_mode=True) == 1
        assert removal.apply(names, str(copy), check_mode=False) == 1
        assert os.listdir(copy) == []

    as_other(work)


def test_a_name_may_be_as_deep(place: Path) -> None:
    def work() -> None:
        copy = place / "copy"
        copy.mkdir()
        make_deep(copy, DEPTH)
        path = "/".join(f"d{number % 10}" for number in range(DEPTH))
        names = listed(place, f"{path}/file", path, f"{path}/gone", "d0/file/x", "d0/link/hosts")
        few_files()
        assert removal.apply(names, str(copy), check_mode=False) == 2
        assert removal.apply(listed(place, "d0"), str(copy), check_mode=False) == 1

    as_other(work)
    assert Path("/etc/hosts").exists()


def test_many_directories_side_by_side_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_removal, "_AT_A_TIME", 3)
    copy = tmp_path / "copy"
    for number in range(20):
        (copy / "gone" / str(number) / "below").mkdir(parents=True)
        (copy / "gone" / f"f{number}").touch()
    assert removal.apply(listed(tmp_path, "gone"), str(copy), check_mode=False) == 1
    assert os.listdir(copy) == []


@pytest.mark.parametrize("mode", [0o555, 0o500, 0o444, 0o000, 0o300])
def test_read_only_directories_are_deleted_as_rsync_does(place: Path, mode: int) -> None:
    def work() -> None:
        copy = place / "copy"
        for name in ("gone/a/b", "stays/c/d"):
            (copy / name).mkdir(parents=True)
            (copy / name / "file").touch()
        (copy / "stays" / "e").touch()
        for name in ("gone/a/b", "gone/a", "gone", "stays/c/d", "stays/c", "stays"):
            (copy / name).chmod(mode)
        names = listed(place, "gone", "stays/c/d/file", "stays/e", "stays/none")
        assert removal.apply(names, str(copy), check_mode=True) >= 3
        assert removal.apply(names, str(copy), check_mode=False) == 3
        assert os.listdir(copy) == ["stays"]
        for name in ("stays", "stays/c", "stays/c/d"):
            assert stat.S_IMODE((copy / name).stat().st_mode) == mode
            (copy / name).chmod(0o700)
        assert not (copy / "stays/e").exists() and os.listdir(copy / "stays/c/d") == []

    as_other(work)


@pytest.mark.skipif(not ROOT, reason="only root can make what others own")
def test_what_may_not_be_deleted_is_named(place: Path) -> None:
    copy = place / "copy"
    (copy / "gone" / "deep").mkdir(parents=True)
    (copy / "gone" / "deep" / "file").touch()
    names = listed(place, "none", "gone")
    os.chown(names, OTHER, OTHER)

    def work() -> None:
        with pytest.raises(InputError, match="copy/gone cannot be deleted: Permission denied"):
            removal.apply(names, str(copy), check_mode=False)

    as_other(work)
    assert (copy / "gone" / "deep" / "file").exists()


def test_who_exchanges_directories_meanwhile_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, outside = tmp_path / "copy", tmp_path / "outside"
    (copy / "gone" / "a" / "b").mkdir(parents=True)
    (outside / "gone").mkdir(parents=True)
    (outside / "kept").touch()
    delete = tree_removal._delete_files
    calls = []

    def moved(descriptor: int) -> list[bytes]:
        calls.append(descriptor)
        if len(calls) == 3:  # in b
            (copy / "gone" / "a" / "b").rename(outside / "b")
        return delete(descriptor)

    monkeypatch.setattr(tree_removal, "_delete_files", moved)
    with pytest.raises(InputError, match="moved while it was being deleted"):
        removal.apply(listed(tmp_path, "gone"), str(copy), check_mode=False)
    assert sorted(os.listdir(outside)) == ["b", "gone", "kept"]


def test_a_link_in_place_of_a_directory_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, outside = tmp_path / "copy", tmp_path / "outside"
    (copy / "gone" / "a").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").touch()
    enter = tree_removal._enter

    def exchanged(at: int, name: bytes) -> int:
        if name == b"a":
            (copy / "gone" / "a").rmdir()
            (copy / "gone" / "a").symlink_to(outside)
        return enter(at, name)

    monkeypatch.setattr(tree_removal, "_enter", exchanged)
    with pytest.raises(InputError, match="copy/gone cannot be deleted"):
        removal.apply(listed(tmp_path, "gone"), str(copy), check_mode=False)
    monkeypatch.undo()
    assert removal.apply(listed(tmp_path, "gone"), str(copy), check_mode=False) == 1
    assert os.listdir(outside) == ["kept"]


def refusals(place: Path) -> Iterator[tuple[str, str]]:
    """Make lists that must not be used; yield each with what the message says."""

    def own(name: str, mode: int = 0o640) -> Path:
        path = place / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"kept\0")
        path.chmod(mode)
        return path

    yield str(own("world", 0o646)), "everybody can write to it"
    yield str(own("group", 0o660)), "its group can write to it"
    yield str(own("open/list")), "others can write to the directory"
    (place / "open").chmod(0o777)
    fifo = place / "fifo"
    os.mkfifo(fifo)
    yield str(fifo), "is not a regular file"
    yield str(place), "is not a regular file"
    yield str(place / "none"), "No such file"
    (place / "link").symlink_to("world")
    yield str(place / "link"), "everybody can write to it"
    (place / "to open").symlink_to("open")
    yield str(place / "to open" / "list"), "others can write to the directory"
    if ROOT:
        own("shared/list")
        (place / "shared").chmod(0o770)
        os.chown(place / "shared", 0, OTHER)
        yield str(place / "shared" / "list"), "its group can write to it"
        foreign = own("foreign")
        os.chown(foreign, OTHER, 0)
        yield str(foreign), "it belongs to "
        own("theirs/list")
        os.chown(place / "theirs", OTHER, 0)
        yield str(place / "theirs" / "list"), "others can write to the directory"
        link = place / "their link"
        link.symlink_to(own("fine"))
        os.chown(link, OTHER, 0, follow_symlinks=False)
        yield str(link), "chooses where it leads"


def test_a_list_that_others_can_write_to_is_refused(simulator: Simulator, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "kept").touch()
    expected = list(refusals(tmp_path))
    good = tmp_path / "good"
    good.write_bytes(b"none\0")
    good.chmod(0o600)
    tasks: list[dict[str, Any]] = [
        {
            "lockstep.qumulo.qumulo_changelist_removal": {"list": path, "path": str(copy)},
            "ignore_errors": True,
            "register": f"answer{number}",
        }
        for number, (path, _said) in enumerate([*expected, (str(good), "")])
    ]
    answers = "{{ [" + ", ".join(f"answer{number}" for number in range(len(tasks))) + "] }}"
    tasks.append({"ansible.builtin.copy": {"content": answers, "dest": str(tmp_path / "answers")}})
    text = json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])
    done = play(simulator, tmp_path, text)
    assert done.returncode == 0, done.stdout + done.stderr
    *refused, accepted = json.loads((tmp_path / "answers").read_text())
    for (path, said), answer in zip(expected, refused):
        assert answer["failed"] and path in answer["msg"] and said in answer["msg"], answer
    assert not accepted["failed"], accepted
    assert (copy / "kept").exists()


def test_the_list_is_that_which_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, path = tmp_path / "copy", tmp_path / "list"
    copy.mkdir()
    (copy / "gone").touch()
    (copy / "kept").touch()
    read: Callable[..., Any] = removal.names

    def exchanged(file: Any) -> Any:
        path.unlink(missing_ok=True)
        path.write_bytes(b"kept\0")
        return read(file)

    monkeypatch.setattr(removal, "names", exchanged)
    assert removal.apply(listed(tmp_path, "gone"), str(copy), check_mode=False) == 1
    assert os.listdir(copy) == ["kept"]


def test_a_directory_of_a_private_group_is_private(tmp_path: Path) -> None:
    group = pwd.getpwuid(os.geteuid()).pw_gid
    if grp.getgrgid(group).gr_name != pwd.getpwuid(os.geteuid()).pw_name:
        pytest.skip("this account has no private group")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, -1, group)
    home.chmod(0o775)
    assert removal.apply(listed(home, "none"), str(tmp_path), check_mode=False) == 0


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_link_of_somebody_else_does_not_lead_to_the_copy(tmp_path: Path) -> None:
    copy, link = tmp_path / "copy", tmp_path / "link"
    copy.mkdir()
    (copy / "gone").touch()
    link.symlink_to(copy)
    os.chown(link, OTHER, 0, follow_symlinks=False)
    names = listed(tmp_path, "gone")
    with pytest.raises(InputError, match="chooses where it leads"):
        removal.apply(names, str(link), check_mode=False)
    os.chown(link, 0, 0, follow_symlinks=False)
    assert removal.apply(names, str(link), check_mode=False) == 1


def test_the_whole_host_is_not_a_copy(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to("/")
    for copy in ("/", "//", str(tmp_path / "root")):
        with pytest.raises(InputError, match="name its top directory"):
            removal.apply(listed(tmp_path, "none"), copy, check_mode=True)
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        removal.apply(listed(tmp_path, "none"), str(tmp_path / "none"), check_mode=True)


def test_a_name_that_is_to_stay_is_not_deleted(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "d").mkdir(parents=True)
    for name in ("mark", "d/mark", "gone"):
        (copy / name).touch()
    listing = listed(tmp_path, "mark", "d/mark", "gone")
    assert removal.apply(listing, str(copy), keep=["mark"], check_mode=False) == 2
    assert sorted(path.name for path in copy.rglob("*")) == ["d", "mark"]
    for wrong in ("", "d/mark", ".."):
        with pytest.raises(InputError, match="in keep is not the name of something"):
            removal.apply(listing, str(copy), keep=[wrong], check_mode=False)
