# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipes, directories, links and other accounts' files among the files of rsyslogd's queue."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.queue_repair import (  # noqa: E501
    Queue,
)
from tests.tools.rsyslogd import Rsyslogd
from tests.tools.services import wait_for

from .test_atime_queue import (
    END,
    NAME,
    QUEUE,
    RECORD,
    cut,
    filled,
    index,
    lines_in,
    place,
    receiving,
    repair,
    segments,
)

__all__ = ["filled", "place"]
Foreign = Callable[[Path], Any]


def lines_of(paths: Iterable[Path]) -> set[bytes]:
    """Lines of the records that are whole in some segments."""
    return {
        record.partition(b"pszRawMsg:1:")[2].partition(b":")[2].split(b":\n")[0]
        for path in paths
        for text in path.read_bytes().split(END)[:-1]
        if RECORD in text
        for record in [text.rpartition(RECORD)[2]]
    }


def link_to_a_file(path: Path) -> None:
    theirs = path.with_name("theirs")
    theirs.write_bytes(path.read_bytes() if path.exists() else b"theirs")
    path.unlink(missing_ok=True)
    path.symlink_to(theirs)


def unlinked(make: Foreign) -> Foreign:
    def apply(path: Path) -> None:
        path.unlink(missing_ok=True)
        make(path)

    return apply


FOREIGN: dict[str, Foreign] = {
    "a pipe": unlinked(os.mkfifo),
    "a directory": unlinked(lambda path: (path.mkdir(), (path / "file").write_bytes(b"theirs"))),
    "a socket": unlinked(lambda path: os.mknod(path, 0o600 | stat.S_IFSOCK)),
    "a link": link_to_a_file,
    "a link to nothing": unlinked(lambda path: path.symlink_to("nothing")),
    "a link to itself": unlinked(lambda path: path.symlink_to(path.name)),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("name", ["qi", "00000004", "00000009", "00000010", "tmp"])
def test_what_rsyslogd_has_not_made_is_moved_aside(place: Path, what: str, name: str) -> None:
    path = place / f"{NAME}.{name}"
    FOREIGN[what](path)
    theirs = place / "theirs"
    before = theirs.read_bytes() if theirs.exists() else None
    regular = [path for path in segments(place) if path.is_file() and not path.is_symlink()]
    expected = lines_of(regular)
    done = repair(place)
    assert done.returncode == 0, done.stderr
    if name != "tmp" or what == "a directory":
        aside = next(place.glob("damaged-*"))
        assert os.path.lexists(aside / path.name)
        assert path.name in done.stderr
    assert lines_in(place) == expected
    again = repair(place)
    assert (again.returncode, again.stderr) == (0, "")
    assert (theirs.read_bytes() if theirs.exists() else None) == before
    with receiving() as (receiver, kept), Rsyslogd(place, receiver.port, queue=QUEUE):
        wait_for(lambda: expected <= {*kept})


def test_a_number_with_more_zeros_is_no_segment(place: Path) -> None:
    expected = lines_in(place)
    (place / f"{NAME}.0000000001").write_bytes(b"theirs")
    assert repair(place).stderr == ""
    index(place).unlink()
    assert f" {len(expected)} intact lines are queued again" in repair(place).stderr
    assert repair(place).stderr == ""
    assert (place / f"{NAME}.0000000001").read_bytes() == b"theirs"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("name", ["qi", "00000004"])
def test_a_file_of_another_account_does_not_hold_up_the_rest(
    filled: Path, name: str, mode: int
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        place = Path(directory)
        for path in [index(filled), *segments(filled)]:
            shutil.copy(path, place)
            os.chown(place / path.name, 65534, 65534)
        os.chown(place, 65534, 65534)
        path = place / f"{NAME}.{name}"
        os.chown(path, 0, 0)
        cut(path, 300)
        path.chmod(mode)
        readable = [path for path in segments(place) if mode == 0o644 or path.stat().st_uid]
        expected = lines_of(readable)
        left = os.fork()
        if not left:
            os.setgid(65534)
            os.setuid(65534)
            try:
                done = Queue(place, NAME).repair()
                again = Queue(place, NAME).repair()
                os._exit(0 if done.moved and not again.reasons else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(left, 0)[1]) == 0
        assert lines_in(place) == expected
        assert os.path.lexists(next(place.glob("damaged-*")) / path.name)
