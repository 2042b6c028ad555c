# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

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


def test_permissions_of_an_existing_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"old")
    path.chmod(0o604)
    write(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o604


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
        with pytest.raises(InputError, match="can not be written") as caught:
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
