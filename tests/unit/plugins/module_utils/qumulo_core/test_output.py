# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    output as output_module,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import drafts
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.output import AtomicFile


def write(path: Path, content: bytes, *, dry_run: bool = False) -> bool:
    with AtomicFile(str(path)) as output:
        output.write(content)
        return output.commit(dry_run=dry_run)


def test_a_new_file_appears_with_restricted_permissions(tmp_path: Path) -> None:
    path = tmp_path / "list"
    assert write(path, b"one")
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["list"]


def test_the_same_content_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, b"one")
    before = path.stat()
    assert not write(path, b"one")
    assert path.stat().st_ino == before.st_ino
    assert write(path, b"two")


@pytest.mark.parametrize(
    ("before", "after"), [(0o666, 0o640), (0o644, 0o640), (0o600, 0o600), (0o604, 0o600)]
)
def test_an_existing_file_gets_no_more_permissions_and_loses_those_of_others(
    tmp_path: Path, before: int, after: int
) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"old")
    path.chmod(before)
    assert write(path, b"new")
    assert path.stat().st_mode & 0o777 == after
    assert not write(path, b"new")


def test_who_can_write_to_the_old_file_cannot_write_to_the_new_one(tmp_path: Path) -> None:
    path, link = tmp_path / "list", tmp_path / "link"
    path.write_bytes(b"same")
    path.chmod(0o640)
    with path.open("ab") as kept:
        assert not write(path, b"same")
        path.chmod(0o666)
        assert write(path, b"same")
        kept.write(b" and more")
    assert path.read_bytes() == b"same"
    os.link(path, link)
    assert write(path, b"same")
    link.write_bytes(b"other")
    assert path.read_bytes() == b"same"


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list"
    assert write(path, b"one", dry_run=True)
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), AtomicFile(str(path)) as output:
        output.write(b"half of the n")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["list"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list"
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, old[1]))
    try:
        with pytest.raises(InputError, match="cannot be written") as caught:
            write(path, bytes(3 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_space_that_runs_out_during_the_work_is_said(tmp_path: Path, number: int) -> None:
    with pytest.raises(InputError, match="free some space"), AtomicFile(str(tmp_path / "list")):
        raise OSError(number, "no space")
    assert os.listdir(tmp_path) == []


def test_destinations_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        AtomicFile(str(tmp_path / "none" / "list"))
    with pytest.raises(InputError, match="is a directory"):
        AtomicFile(str(tmp_path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a FIFO"),
        (os.mkdir, "a directory"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "a socket"),
        (lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)), "a device"),
        (lambda path: os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 200)), "a device"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"one"])
def test_what_is_no_file_is_refused_and_left_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    kind: str,
    content: bytes,
) -> None:
    monkeypatch.chdir(tmp_path)
    path, link = Path("dest"), Path("link")
    try:
        make(path)
    except PermissionError:
        pytest.skip("only root may make devices")
    link.symlink_to(path)
    before = path.lstat()
    with pytest.raises(InputError, match=f"it is {kind}; name"):
        write(path, content)
    with pytest.raises(InputError, match=f"it is a symlink to {kind}; name"):
        write(link, content)
    assert path.lstat() == before and link.is_symlink()
    assert sorted(os.listdir()) == ["dest", "link"]


@pytest.mark.parametrize("target", ["target", "nowhere", "link"])
def test_a_symlink_is_replaced_as_copy_does_it(tmp_path: Path, target: str) -> None:
    (tmp_path / "target").write_bytes(b"same")
    link = tmp_path / "link"
    link.symlink_to(target)
    assert write(link, b"same")
    assert not link.is_symlink() and link.read_bytes() == b"same"
    assert (tmp_path / "target").read_bytes() == b"same"
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_directories_of_the_kernel_are_no_place_for_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "_KERNEL", (str(tmp_path / "dev"),))
    monkeypatch.setattr(output_module, "_STORAGE", (str(tmp_path / "dev" / "shm"),))
    (tmp_path / "dev" / "shm").mkdir(parents=True)
    with pytest.raises(InputError, match="holds devices"):
        write(tmp_path / "dev" / "list", b"one")
    assert write(tmp_path / "dev" / "shm" / "list", b"one")
    assert write(tmp_path / "devices", b"one")


def test_a_long_name_has_room_for_a_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    assert write(path, b"one") and path.read_bytes() == b"one"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_others_is_refused(tmp_path: Path) -> None:
    path, link, folder = tmp_path / "list", tmp_path / "link", tmp_path / "folder"
    folder.mkdir()
    path.write_bytes(b"")
    path.chmod(0o666)
    link.symlink_to(folder)
    os.chown(path, 12345, 0)
    os.chown(link, 12345, 0, follow_symlinks=False)
    with pytest.raises(InputError, match="belongs to UID 12345; remove it"):
        write(path, b"")
    # Below a link its owner chooses the directory.
    with pytest.raises(InputError, match=r"symlink .*/link in it belongs to UID 12345"):
        AtomicFile(str(link / "list"))
    assert os.listdir(folder) == [] and path.read_bytes() == b""
    os.chown(link, 0, 0, follow_symlinks=False)
    assert write(link / "list", b"one") and (folder / "list").read_bytes() == b"one"


def test_an_exchanged_directory_changes_nothing(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    with AtomicFile(str(one / "list")) as output:
        one.rename(tmp_path / "moved")
        one.symlink_to(other)
        output.write(b"one")
        assert output.commit()
    assert os.listdir(other) == [] and os.listdir(tmp_path / "moved") == ["list"]


def test_an_exchanged_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "_UNNAMED", None)
    with pytest.raises(InputError, match="exchanged"), AtomicFile(str(tmp_path / "list")) as output:
        (temporary,) = tmp_path.iterdir()
        temporary.unlink()
        temporary.write_bytes(b"evil")
        output.commit()
    assert not (tmp_path / "list").exists()


#: Writes to a file and waits to be killed.
WRITER = """
import sys
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import output
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import drafts
if sys.argv[2] == "named":
    drafts._UNNAMED = None
with output.AtomicFile(sys.argv[1]) as file:
    file.write(b"part")
    file.file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writer(path: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "written\n"
        yield process
        process.kill()


def put(path: Path, content: bytes = b"whole") -> None:
    with AtomicFile(str(path)) as output:
        output.write(content)
        output.commit()


def test_nothing_is_left_of_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "list"
    with writer(path, "unnamed") as process:
        if os.listdir(tmp_path):
            pytest.skip("this file system has no files without names")
        process.kill()
    assert os.listdir(tmp_path) == []


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "list"
    with writer(path, "named") as killed:
        killed.kill()
    (left,) = os.listdir(tmp_path)
    with writer(path, "named"):
        (alive,) = os.listdir(tmp_path)  # the next run has removed the first one
        assert alive != left
        put(path)
        assert sorted(os.listdir(tmp_path)) == [alive, "list"]
    put(path, b"again")
    assert os.listdir(tmp_path) == ["list"] and path.read_bytes() == b"again"


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    token = "0123456789abcdef"
    kept = [
        ".list.0123",
        f".other.{token}",
        f"list.{token}",
        f".list.{token}.gz",
        f".list2.{token}",
    ]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / f".list.{token[::-1]}").mkdir()
    (tmp_path / ".list.0000000000000000").symlink_to("list")
    (tmp_path / "linked").touch()
    os.link(tmp_path / "linked", tmp_path / ".list.1111111111111111")
    if os.geteuid() == 0:
        (tmp_path / ".list.2222222222222222").touch()
        os.chown(tmp_path / ".list.2222222222222222", 65534, -1)
    before = set(os.listdir(tmp_path))
    for part in ("", "first.", "12."):
        (tmp_path / f".list.{part}{token}").touch()
    put(tmp_path / "list")
    assert set(os.listdir(tmp_path)) == before | {"list"}


def test_files_are_the_same_with_and_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unnamed in (drafts._UNNAMED, None):
        monkeypatch.setattr(drafts, "_UNNAMED", unnamed)
        path = tmp_path / str(unnamed)
        for content, changed in ((b"a", True), (b"a", False), (b"b", True)):
            with AtomicFile(str(path)) as output:
                output.write(content)
                assert output.commit() is changed
            assert path.read_bytes() == content and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(os.listdir(tmp_path)) == 2
