# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors name their cause and what to do about it, whatever was tried."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.output import write_error
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.instance import (
    AlreadyRunningError,
    SingleInstance,
    holder_of,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    SpoolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from tests.tools.services import core_environment

#: All that is opened by the services and the event source, in a process that may open no file.
OPENED = """
import resource, sys
import yaml
from qumulo_core import transport
from qumulo_core.atime.receiver import Receiver
from qumulo_core.client import Client
from qumulo_core.errors import QumuloError
from qumulo_core.lock_manager.records import Records
from qumulo_core.service.config import load
from qumulo_core.service.instance import SingleInstance
from qumulo_core.settings import Settings
from qumulo_core.watcher.evidence import Evidence
client = Client(Settings(hosts=("127.0.0.1",), username="u", password="p", retries=0, timeout=1))
tries = [
    lambda: load(sys.argv[1]),
    lambda: SingleInstance(sys.argv[1]).acquire(),
    lambda: Evidence(sys.argv[1]),
    lambda: Records(sys.argv[1]).check(),
    lambda: client.get("/v1/version"),
]
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
for each in tries:
    try:
        each()
    except QumuloError as exc:
        print(exc)
"""


def test_too_many_open_files_are_named_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a: 1\n")
    path.chmod(0o640)
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(path)],
        env=core_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 5, done.stderr
    for line in lines:
        assert "too many files open" in line, line
        assert "LimitNOFILE=" in line, line


def test_a_file_system_without_locks_is_no_second_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.lock"
    path.touch()

    def refuse(_fd: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="has no locks available. Use a local") as caught:
        SingleInstance(str(path)).acquire()
    assert not isinstance(caught.value, AlreadyRunningError)
    with pytest.raises(InputError, match="has no locks available"):
        holder_of(str(path))


def test_a_read_only_file_system_is_the_cause(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    SqliteSpool(str(tmp_path / "spool.db"), postpone=True).close()
    subprocess.run(["mount", "--bind", str(tmp_path), str(tmp_path)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(tmp_path)], check=True)
        for own, what in ((False, "Cannot use the spool"), (True, "Cannot open the lock file")):
            with pytest.raises(
                (SpoolError, InputError), match="file system is read-only"
            ) as caught:
                SqliteSpool(str(tmp_path / "spool.db"), postpone=True, own=own)
            assert caught.value.message.startswith(what)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOLCK, "has no locks available; use a local file system"),
        (errno.EIO, "reports an I/O error; check the disk"),
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "the file system is read-only"),
    ],
)
def test_an_output_file_names_the_cause(number: int, text: str) -> None:
    assert text in write_error("/x", OSError(number, os.strerror(number))).message
