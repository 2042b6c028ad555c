# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mounts: told apart, not left by any path, and missed when they are gone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    Beneath,
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.mounts import (
    Mount,
    MountError,
)

OLD, NEW = 1_600_000_000_123456789, 1_700_000_000_987654321


def run(*command: str) -> None:
    prefix = ["sudo", "--non-interactive"] if os.geteuid() else []
    subprocess.run([*prefix, *command], check=True, timeout=180, stdin=subprocess.DEVNULL)


class Mounts:
    """Makes mounts below a directory, and takes all of them away at the end."""

    def __init__(self) -> None:
        self._points: list[Path] = []

    def tmpfs(self, point: Path, source: str = "simulated") -> Path:
        point.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "size=1m", source, str(point))
        self._points.append(point)
        return point

    def bind(self, source: Path, point: Path) -> Path:
        run("mount", "--bind", str(source), str(point))
        self._points.append(point)
        return point

    def detach(self, point: Path, *options: str) -> None:
        run("umount", *options, str(point))
        self._points.remove(point)

    def clean(self) -> None:
        while self._points:
            self.detach(self._points[-1], "--lazy")


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    if os.geteuid() and os.environ.get("CI") != "true":
        pytest.skip("only root can mount")
    made = Mounts()
    yield made
    made.clean()


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, ns=(OLD, OLD))
    return path


@pytest.fixture(params=[(True, 0.0), (True, 3600.0), (False, 0.0), (False, 3600.0)])
def work(request: pytest.FixtureRequest) -> Iterator[Callable[[Mount], Beneath]]:
    """Makes a setter beneath a mount that checks the mount before each path."""
    openat2, age = request.param
    made: list[Beneath] = []
    ticks = iter(range(1_000_000))

    def begin(mount: Mount) -> Beneath:
        made.append(
            Beneath(
                mount.descriptor,
                openat2=openat2,
                parent_age=age,
                check=mount.check,
                clock=lambda: float(next(ticks)),
            )
        )
        return made[-1]

    yield begin
    for one in made:
        one.close()


def test_a_mount_is_known_by_type_and_source(mounts: Mounts, tmp_path: Path) -> None:
    point = mounts.tmpfs(tmp_path / "odd name\\ä", source="cluster:/a b")
    with Mount(str(point), fstypes=["nfs", "tmpfs"], source="cluster:/a b") as mount:
        assert mount.entry.source == "cluster:/a b"
        assert mount.entry.point == os.fsencode(point)
        mount.check()
    with pytest.raises(MountError, match="type tmpfs, not nfs or nfs4"):
        Mount(str(point))
    with pytest.raises(MountError, match="of cluster:/a b, not of other:/"):
        Mount(str(point), fstypes=["tmpfs"], source="other:/")


def test_a_link_to_a_mount_will_do(mounts: Mounts, tmp_path: Path) -> None:
    mounts.tmpfs(tmp_path / "point")
    (tmp_path / "link").symlink_to("point")
    with Mount(str(tmp_path / "link"), fstypes=["tmpfs"]) as mount:
        mount.check()


def test_a_directory_is_no_mount(mounts: Mounts, tmp_path: Path) -> None:
    point = mounts.tmpfs(tmp_path / "point")
    (point / "below").mkdir()
    for path in (tmp_path, point / "below"):
        with pytest.raises(MountError, match="is no mount point"):
            Mount(str(path), fstypes=())


def test_nothing_stays_open(mounts: Mounts, tmp_path: Path) -> None:
    point = mounts.tmpfs(tmp_path / "point")
    before = len(os.listdir("/proc/self/fd"))
    for _turn in range(10):
        with pytest.raises(MountError):
            Mount(str(point), fstypes=["nfs"])
        with Mount(str(point), fstypes=["tmpfs"]) as mount:
            mount.check()
    assert len(os.listdir("/proc/self/fd")) == before
    mounts.detach(point)  # nothing holds it


def test_a_mount_that_is_gone_stops_the_work(
    mounts: Mounts, tmp_path: Path, work: Callable[[Mount], Beneath]
) -> None:
    hidden = make(tmp_path / "point" / "a" / "f")
    point = mounts.tmpfs(tmp_path / "point")
    path = make(point / "a" / "f")
    with Mount(str(point), fstypes=["tmpfs"]) as mount:
        working = work(mount)
        assert working.set_access_time(b"a/f", OLD + 1) is Outcome.SET
        number = os.open(path, os.O_PATH)
        mounts.detach(point, "--lazy")
        with pytest.raises(MountError, match="not the mount any more"):
            working.set_access_time(b"a/f", NEW)
        assert os.fstat(number).st_atime_ns == OLD + 1
        os.close(number)
    assert os.stat(hidden).st_atime_ns == OLD
    with pytest.raises(MountError, match="is no mount point"):
        Mount(str(point), fstypes=["tmpfs"])


def test_a_mount_that_is_covered_stops_the_work(
    mounts: Mounts, tmp_path: Path, work: Callable[[Mount], Beneath]
) -> None:
    point = mounts.tmpfs(tmp_path / "point")
    with Mount(str(point), fstypes=["tmpfs"]) as mount:
        make(point / "f")
        working = work(mount)
        assert working.set_access_time(b"f", OLD + 1) is Outcome.SET
        covering = make(mounts.tmpfs(point) / "f")
        with pytest.raises(MountError, match="not the mount any more"):
            working.set_access_time(b"f", NEW)
        assert os.stat(covering).st_atime_ns == OLD
    with Mount(str(point), fstypes=["tmpfs"]) as mount:  # the upper one counts
        assert work(mount).set_access_time(b"f", NEW) is Outcome.SET
        assert os.stat(covering).st_atime_ns == NEW


def test_a_read_only_mount_stops_the_work(
    mounts: Mounts, tmp_path: Path, work: Callable[[Mount], Beneath]
) -> None:
    point = mounts.tmpfs(tmp_path / "point")
    make(point / "f")
    with Mount(str(point), fstypes=["tmpfs"]) as mount:
        working = work(mount)
        run("mount", "-o", "remount,ro", str(point))
        with pytest.raises(MountError, match="[Rr]ead-only"):
            working.set_access_time(b"f", NEW)
        run("mount", "-o", "remount,rw", str(point))
        assert working.set_access_time(b"f", NEW) is Outcome.SET


def test_other_mounts_beneath_are_refused(
    mounts: Mounts, tmp_path: Path, work: Callable[[Mount], Beneath]
) -> None:
    """Another file system, and also a directory or a file of the same one from elsewhere."""
    point = mounts.tmpfs(tmp_path / "point")
    secret = make(point / "secret" / "f")
    for name in ("tmpfs", "bound"):
        (point / "a" / name).mkdir(parents=True)
    make(point / "a" / "file")
    other = make(mounts.tmpfs(point / "a" / "tmpfs") / "f")
    mounts.bind(point / "secret", point / "a" / "bound")
    mounts.bind(point / "secret" / "f", point / "a" / "file")
    with Mount(str(point), fstypes=["tmpfs"]) as mount:
        working = work(mount)
        for name in (b"a/tmpfs/f", b"a/tmpfs", b"a/bound/f", b"a/bound", b"a/file"):
            assert working.set_access_time(name, NEW) is Outcome.REFUSED
        assert os.stat(secret).st_atime_ns == os.stat(other).st_atime_ns == OLD
        assert working.set_access_time(b"secret/f", NEW) is Outcome.SET


def test_a_directory_moved_out_of_a_bound_mount_is_left_alone(
    mounts: Mounts, tmp_path: Path, work: Callable[[Mount], Beneath]
) -> None:
    whole = mounts.tmpfs(tmp_path / "whole")
    make(whole / "export" / "a" / "f")
    moved = make(whole / "export" / "a" / "g")
    (tmp_path / "point").mkdir()
    point = mounts.bind(whole / "export", tmp_path / "point")
    with Mount(str(point), fstypes=["tmpfs"]) as mount:
        working = work(mount)
        assert working.set_access_time(b"a/f", NEW) is Outcome.SET
        (whole / "export" / "a").rename(whole / "a")
        assert working.set_access_time(b"a/g", NEW) is Outcome.GONE
        assert os.stat(whole / "a" / moved.name).st_atime_ns == OLD
