# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance a host, told to systemd, logged in one line."""

from __future__ import annotations

import fcntl
import io
import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service import (
    instance,
    logs,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.instance import (
    AlreadyRunningError,
    SingleInstance,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sd_notify import (
    Notifier,
)

# -- the lock -----------------------------------------------------------------------------------


def test_a_second_instance_is_told_who_has_the_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    with SingleInstance(path):
        with pytest.raises(AlreadyRunningError) as caught:
            SingleInstance(path).acquire()
        assert caught.value.holder.pid == os.getpid()
        assert f"process {os.getpid()} since 2" in caught.value.message
        holder = instance.holder_of(path)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert instance.holder_of(path) is None


def test_the_file_stays_so_that_there_are_never_two_locks(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with SingleInstance(str(path)):
        inode = path.stat().st_ino
    assert path.stat().st_ino == inode
    with SingleInstance(str(path)):
        assert path.stat().st_ino == inode


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    code = (
        "import fcntl, os, sys, time; f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT);"
        "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        child.stdout.readline()
        with pytest.raises(AlreadyRunningError) as caught:
            SingleInstance(path).acquire()
        assert caught.value.holder.pid is None  # it has written nothing
        assert "by another process" in caught.value.message
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    with SingleInstance(path):
        pass


def test_somebody_who_looks_keeps_no_service_from_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x.lock")
    looking = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(looking, fcntl.LOCK_SH)
        # The look is over while the service waits.
        monkeypatch.setattr(time, "sleep", lambda _seconds: fcntl.flock(looking, fcntl.LOCK_UN))
        with SingleInstance(path):
            assert instance.holder_of(path) is not None
    finally:
        os.close(looking)


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("content")
    link = tmp_path / "x.lock"
    link.symlink_to(target)
    with pytest.raises(InputError):
        SingleInstance(str(link)).acquire()
    assert target.read_text() == "content"


def test_a_directory_that_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot open the lock file .*no such file"):
        SingleInstance(str(tmp_path / "none" / "x.lock")).acquire()
    assert instance.holder_of(str(tmp_path / "none" / "x.lock")) is None


# -- the supervisor -----------------------------------------------------------------------------


def test_the_supervisor_hears_what_happens(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
        assert notifier.watchdog == 30.0
        notifier.status("two\nlines")
        notifier.status("two lines")  # the same again is not sent
        notifier.ready()
        notifier.alive()
        notifier.reloading()
        notifier.stopping()
        notifier.close()
        heard = [server.recv(4096).decode() for _message in range(5)]
    assert heard[:3] == ["STATUS=two lines", "READY=1", "WATCHDOG=1"]
    assert heard[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[4] == "STOPPING=1"


def test_without_a_supervisor_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "none")}):
        notifier = Notifier(environment)
        notifier.ready()
        notifier.close()
        assert notifier.watchdog is None
    others = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    assert Notifier(others).watchdog is None  # meant for another process
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog is None


# -- logs ---------------------------------------------------------------------------------------


@pytest.fixture
def log() -> logging.Logger:
    """A logger whose set-up does not outlive the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield logging.getLogger("lockstep.test")
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_name_can_not_forge_a_line(log: logging.Logger) -> None:
    stream = io.StringIO()
    logs.configure("plain", "info", stream=stream, environment={"JOURNAL_STREAM": "8:1"})
    log.info("locked %s", "/a\n<0>root logged in\x1b[2J", extra={"rule": "a b", "size": 3})
    assert stream.getvalue() == ('<6>locked /a\\n<0>root logged in\\x1b[2J rule="a b" size=3\n')


def test_json_lines_carry_their_fields(log: logging.Logger) -> None:
    stream = io.StringIO()
    logs.configure("json", "warning", stream=stream, environment={})
    log.info("not shown")
    log.warning("locked %s", "/a\nb", extra={"size": 3})
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["message"], record["size"], record["level"]) == ("locked /a\nb", 3, "warning")


def test_each_line_of_a_traceback_has_its_priority(log: logging.Logger) -> None:
    stream = io.StringIO()
    logs.configure("plain", "info", stream=stream, environment={"JOURNAL_STREAM": "8:1"})
    try:
        raise ValueError("odd")
    except ValueError:
        log.exception("defect")
    lines = stream.getvalue().splitlines()
    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)
