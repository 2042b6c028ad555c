# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that report success for a change of an access time, and ignore it."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
    through_mount,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    Beneath,
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.config import (
    MountPoint,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.mounts import (
    MountError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import Item
from tests.tools.fuse_files import FuseFiles, Unmountable
from tests.tools.services import wait_for

from .synced import Sender, Synced, csv_line
from .test_atime import NEW, OLD, SECOND

NAMES = [b"f%d" % number for number in range(8)]


@pytest.fixture
def point(tmp_path: Path) -> Path:
    path = tmp_path / "mount"
    path.mkdir()
    return path


@pytest.fixture
def mounted(point: Path) -> Iterator[FuseFiles]:
    """A mount whose files can ignore access times."""
    try:
        files = FuseFiles(point, NAMES, OLD).__enter__()
    except Unmountable as exc:
        pytest.skip(f"no file system of FUSE can be mounted here: {exc}")
    try:
        yield files
    finally:
        files.__exit__()


def syncer_of(place: Path, point: Path) -> Synced:
    syncer = Synced(place, mount=point)
    syncer.settings["mount"]["types"] = ["fuse"]
    syncer.write()
    return syncer


def line(name: bytes, time_ns: int = NEW) -> bytes:
    return csv_line(time_ns, f"/{name.decode()}")


def test_a_mount_that_ignores_times_stops_the_work(
    tmp_path: Path, point: Path, mounted: FuseFiles
) -> None:
    syncer = syncer_of(tmp_path, point)
    mounted.ignores = {*NAMES}
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([line(name) for name in NAMES])
        wait_for(lambda: syncer.facts()["state"] == "stopped")
        facts = syncer.facts()
        assert f"{point} ignores access times" in facts["status"]
        assert (facts["waiting"], facts["given_up"], facts["files"]) == (len(NAMES), 0, {})
        assert facts["ignored"] >= 3
        assert "ignores access times" in syncer.command("status").stdout
        port = syncer.settings["metrics_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            metrics = answer.read().decode()
        assert 'lockstep_atime_state{state="stopped"} 1.0' in metrics
        assert "\nlockstep_atime_ignored_total 0.0" not in metrics
        # Once the mount keeps times, none is missing.
        mounted.ignores = set()
        wait_for(lambda: all(mounted.access_time(name) == NEW for name in NAMES))
        assert syncer.wait_idle()["files"] == {"set": len(NAMES)}


def test_uses_one_after_the_other_stop_the_work_as_well(
    tmp_path: Path, point: Path, mounted: FuseFiles
) -> None:
    syncer = syncer_of(tmp_path, point)
    mounted.ignores = {*NAMES}
    with syncer.running(), Sender(syncer.port) as sender:
        for number, name in enumerate(NAMES[:2], 1):
            sender.put([line(name)])
            wait_for(lambda n=number: syncer.facts()["ignored"] >= n)  # type: ignore[misc]
        sender.put([line(NAMES[2])])
        wait_for(lambda: syncer.facts()["state"] == "stopped")
        assert syncer.facts()["waiting"] == 3


def test_a_file_that_ignores_times_holds_up_no_other(
    tmp_path: Path, point: Path, mounted: FuseFiles
) -> None:
    syncer = syncer_of(tmp_path, point)
    mounted.ignores = {NAMES[0]}
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([line(name) for name in NAMES])
        wait_for(lambda: all(mounted.access_time(name) == NEW for name in NAMES[1:]))
        wait_for(lambda: syncer.facts()["files"].get("failed"))  # it is tried again and again
        facts = syncer.facts()
        assert facts["files"]["set"] == len(NAMES) - 1
        assert (facts["waiting"] + facts["given_up"], facts["state"] == "stopped") == (1, False)


def backend(point: Path, ignored: list[int] | None = None) -> through_mount.ThroughMount:
    counted = [] if ignored is None else ignored
    return through_mount.ThroughMount(
        MountPoint(str(point), "/", None, ("fuse",)), lambda: 1, lambda: counted.append(1)
    )


def items(*names: bytes, time_ns: int = NEW) -> list[Item]:
    return [
        Item(b"/" + name, "", time_ns, 0.0, number, 1, 0, "")
        for number, name in enumerate(names, 1)
    ]


def test_one_time_a_minute_is_read_back(
    point: Path, mounted: FuseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    set_one = Beneath.set_access_time

    def noting(self: Beneath, path: bytes, time_ns: int, *, read_back: bool = False) -> Outcome:
        asked.append(read_back)
        return set_one(self, path, time_ns, read_back=read_back)

    monkeypatch.setattr(Beneath, "set_access_time", noting)
    stopped = threading.Event()
    files = backend(point)
    assert {r.outcome for r in files.apply(items(*NAMES), stopped)} == {Outcome.SET}
    assert asked == [True] + [False] * (len(NAMES) - 1)
    monkeypatch.setattr(through_mount, "READ_BACK", 0.0)
    list(files.apply(items(NAMES[0], time_ns=NEW + SECOND), stopped))
    assert asked[-1] is True
    files.rest()


def test_what_begins_to_ignore_times_is_noticed(
    point: Path, mounted: FuseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored: list[int] = []
    files, stopped = backend(point, ignored), threading.Event()
    list(files.apply(items(*NAMES), stopped))
    mounted.ignores = {*NAMES}
    monkeypatch.setattr(through_mount, "READ_BACK", 0.0)
    with pytest.raises(MountError, match="ignores access times"):
        list(files.apply(items(*NAMES, time_ns=NEW + SECOND), stopped))
    assert len(ignored) == 3  # it does not go on with the others
    files.rest()
