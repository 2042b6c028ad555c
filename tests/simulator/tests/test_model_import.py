# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading a real directory tree into the simulated file system."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from tests.simulator.model import NFS_GID, NFS_UID, FileSystem, ModelError


@pytest.fixture
def files() -> FileSystem:
    return FileSystem()


def test_metadata_and_content(files: FileSystem, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir(mode=0o750)
    file = tmp_path / "dir" / 'a, "b"\nc \U0001f600'
    file.write_bytes(b"0123456789")
    file.chmod(0o640)
    os.utime(file, ns=(1_000_000_001, 2_000_000_002))
    os.utime(tmp_path / "dir", ns=(3_000_000_003, 4_000_000_004))
    result = files.import_tree(tmp_path, content_limit=4)
    assert (result.files, result.directories, result.skipped) == (1, 1, 0)
    shown = files.attributes(f"/dir/{file.name}")
    assert shown["mode"] == "0640"
    assert shown["access_time"] == "1970-01-01T00:00:01.000000001Z"
    assert shown["modification_time"] == "1970-01-01T00:00:02.000000002Z"
    assert shown["owner"] == str(NFS_UID + os.getuid())
    assert shown["group"] == str(NFS_GID + os.getgid())
    assert files.read(f"/dir/{file.name}") == b"0123" + bytes(6)
    directory = files.attributes("/dir")
    assert directory["mode"] == "0750"
    assert directory["modification_time"] == "1970-01-01T00:00:04.000000004Z"


def test_symlinks_are_kept_and_never_followed(files: FileSystem, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("x")
    (tmp_path / "loop").symlink_to("..")
    (tmp_path / "to-dir").symlink_to("real")
    (tmp_path / "broken").symlink_to("nowhere")
    result = files.import_tree(tmp_path)
    assert (result.files, result.symlinks, result.skipped) == (1, 3, 0)
    assert files.read_link("/to-dir") == "real"
    assert not files.resolve("/loop").is_directory


def test_hard_links_stay_one_file(files: FileSystem, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "sub").mkdir()
    os.link(tmp_path / "a", tmp_path / "sub" / "b")
    result = files.import_tree(tmp_path)
    assert (result.files, result.links) == (1, 1)
    assert files.resolve("/a") is files.resolve("/sub/b")
    assert files.attributes("/a")["num_links"] == 2


def test_names_that_are_no_unicode_are_mended_uniquely(files: FileSystem, tmp_path: Path) -> None:
    for name in (b"x\xff", b"x\xfe", "x\ufffd".encode()):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(name)
    files.import_tree(tmp_path)
    assert sorted(files.child_names("/")) == ["x\ufffd", "x\ufffd~2", "x\ufffd~3"]
    assert files.read("/x\ufffd") == "x\ufffd".encode()


def test_unreadable_is_counted_and_the_rest_is_loaded(
    files: FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").write_text("x")
    real = os.scandir

    def scandir(path: object) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(path)
        return real(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scandir)
    result = files.import_tree(tmp_path)
    assert (result.files, result.skipped) == (1, 1)
    assert sorted(files.child_names("/")) == ["closed", "open"]
    assert files.child_names("/closed") == []


def test_pipes_and_sockets(files: FileSystem, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert files.import_tree(tmp_path).others == 1
    assert files.resolve("/pipe").type == "FS_FILE_TYPE_UNIX_PIPE"


def test_missing_source_or_target(files: FileSystem, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.import_tree(tmp_path / "missing")
    with pytest.raises(ModelError):
        files.import_tree(tmp_path, into="/missing")


def test_more_directories_than_files_may_be_open(files: FileSystem, tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "f").write_text("x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
    try:
        result = files.import_tree(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (result.directories, result.files, result.skipped) == (120, 120, 0)
