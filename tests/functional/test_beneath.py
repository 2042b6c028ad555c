# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access times beneath a directory: set as asked, and nowhere else, whatever the names are."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    Beneath,
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.mounts import (
    MountError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.syscalls import (
    Syscalls,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import os_reasons

OLD, NEW = 1_600_000_000_123456789, 1_700_000_000_987654321
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Way:
    """One of the ways to open files."""

    openat2: bool
    parent_age: float


WAYS = [Way(openat2, age) for openat2 in (True, False) for age in (0.0, 3600.0)]


@contextmanager
def beneath(root: Path, way: Way, **options: int) -> Iterator[Beneath]:
    number = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        with Beneath(number, openat2=way.openat2, parent_age=way.parent_age, **options) as working:
            yield working
    finally:
        os.close(number)


def make(path: Path, time_ns: int = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, ns=(time_ns, OLD))
    return path


def atime(path: Path) -> int:
    return os.stat(path, follow_symlinks=False).st_atime_ns


@pytest.fixture(params=WAYS, ids=lambda way: f"openat2={way.openat2},age={way.parent_age}")
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A directory that stands for the mount."""
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that must never be touched, in a directory that must not be either."""
    return make(tmp_path / "outside" / "f")


@pytest.fixture
def working(inside: Path, way: Way) -> Iterator[Beneath]:
    with beneath(inside, way) as made:
        yield made


# -- times --------------------------------------------------------------------------------------


def test_the_access_time_alone_is_set(inside: Path, working: Beneath) -> None:
    path = make(inside / "a" / "b" / "f")
    assert working.set_access_time(b"a/b/f", NEW) is Outcome.SET
    found = os.stat(path)
    assert (found.st_atime_ns, found.st_mtime_ns) == (NEW, OLD)


@pytest.mark.parametrize("name", [b"a/b", b"a", b"."])
def test_directories_have_access_times_too(inside: Path, working: Beneath, name: bytes) -> None:
    make(inside / "a" / "b" / "f")
    future = 4_000_000_000 * SECOND + 1
    assert working.set_access_time(name, future) is Outcome.SET
    assert atime(inside / os.fsdecode(name)) == future


@pytest.mark.parametrize("name", ["d/f", "d/link", "d"])
def test_kernels_that_take_no_empty_path(
    inside: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before Linux 5.8, utimensat knew one flag alone."""
    make(inside / "d" / "f")
    (inside / "d" / "link").symlink_to(outside)
    for path in (inside / "d" / "link", inside / "d"):
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)
    begin = Syscalls.__init__

    def begin_old(calls: Syscalls) -> None:
        begin(calls)
        plain = calls._utimensat

        def old(directory: int, path: bytes, times: int, flags: int) -> int:
            if flags & ~0x100:  # AT_SYMLINK_NOFOLLOW
                ctypes.set_errno(errno.EINVAL)
                return -1
            found: int = plain(directory, path, times, flags)
            return found

        calls._utimensat = old

    monkeypatch.setattr(Syscalls, "__init__", begin_old)
    with beneath(inside, Way(True, 0.0)) as working:
        assert working.set_access_time(name.encode(), NEW) is Outcome.SET
    assert atime(inside / name) == NEW
    assert atime(outside) == OLD


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_kernels_and_sandboxes_without_openat2(
    inside: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = make(inside / "d" / "f")
    (inside / "link").symlink_to(outside.parent)

    def missing(*_arguments: object, **_options: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Syscalls, "open_beneath", missing)
    with beneath(inside, Way(True, 0.0)) as working:
        assert working.set_access_time(b"d/f", NEW) is Outcome.SET
        assert working.set_access_time(b"link/f", NEW) is Outcome.REFUSED
    assert (atime(path), atime(outside)) == (NEW, OLD)


def test_times_never_go_backwards(inside: Path, working: Beneath) -> None:
    path = make(inside / "f", NEW)
    for time_ns in (NEW, NEW - 1, OLD, 0, -1):
        assert working.set_access_time(b"f", time_ns) is Outcome.FRESH
    assert atime(path) == NEW
    assert working.set_access_time(b"f", NEW + 1) is Outcome.SET
    assert atime(path) == NEW + 1


def test_times_before_1970(inside: Path, working: Beneath) -> None:
    path = make(inside / "f", -5 * SECOND)
    assert working.set_access_time(b"f", -SECOND - 1) is Outcome.SET
    assert atime(path) == -SECOND - 1


def test_small_steps_are_not_worth_a_write(inside: Path, way: Way) -> None:
    path = make(inside / "f")
    with beneath(inside, way, granularity_ns=60 * SECOND) as working:
        assert working.set_access_time(b"f", OLD + 60 * SECOND - 1) is Outcome.FRESH
        assert atime(path) == OLD
        assert working.set_access_time(b"f", OLD + 60 * SECOND) is Outcome.SET
        assert atime(path) == OLD + 60 * SECOND


# -- hostile names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"..",
        b"../outside/f",
        b"a/../../outside/f",
        b"a/..",
        b"./f",
        b"a/./f",
        b"a/.",
        b"a/",
        b"a//f",
        b"/",
        b"//f",
        b"f\0",
        b"f\0/../../outside/f",
    ],
)
def test_names_that_are_refused_as_such(
    inside: Path, outside: Path, working: Beneath, name: bytes
) -> None:
    make(inside / "a" / "f")
    make(inside / "f")
    assert working.set_access_time(name, NEW) is Outcome.REFUSED
    assert working.set_access_time(os.fsencode(outside), NEW) is Outcome.REFUSED
    for path in (inside / "a" / "f", inside / "f", outside):
        assert atime(path) == OLD


@pytest.mark.parametrize("name", ["...", "..a", ".a", "a\nb", " ", "\\", "ä€", "\udcff", "-", "a."])
def test_odd_names_are_names(inside: Path, working: Beneath, name: str) -> None:
    path = make(inside / name / name)
    raw = os.fsencode(name)
    assert working.set_access_time(raw + b"/" + raw, NEW) is Outcome.SET
    assert atime(path) == NEW


@pytest.mark.parametrize("name", [b"x", b"a/x", b"x/f", b"a/f/g", b"x" * 256, b"x" * 256 + b"/f"])
def test_what_is_not_there_is_gone(inside: Path, working: Beneath, name: bytes) -> None:
    make(inside / "a" / "f")
    assert working.set_access_time(name, NEW) is Outcome.GONE


def test_paths_longer_than_the_kernel_takes(inside: Path, working: Beneath) -> None:
    current, names = os.open(inside, os.O_RDONLY), [b"d" * 200] * 30
    for name in names:
        os.mkdir(name, dir_fd=current)
        following = os.open(name, os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = following
    try:
        for name, target in ((b"f", None), (b"link", "/")):
            if target:
                os.symlink(target, name, dir_fd=current)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=current))
        above = b"/".join(names)
        future = 4_000_000_000 * SECOND
        for _turn in range(2):
            working.set_access_time(above + b"/f", future)
            assert os.stat("f", dir_fd=current).st_atime_ns == future
        assert working.set_access_time(above + b"/link/tmp", future) is Outcome.REFUSED
        assert working.set_access_time(above + b"/x", future) is Outcome.GONE
    finally:
        os.close(current)


# -- symbolic and hard links ----------------------------------------------------------------------


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("absolute", [True, False])
def test_links_on_the_way_are_refused_at_any_depth(
    inside: Path, outside: Path, working: Beneath, depth: int, absolute: bool
) -> None:
    above = inside.joinpath(*("a", "b", "c")[:depth])
    above.mkdir(parents=True, exist_ok=True)
    target = str(outside.parent) if absolute else os.path.relpath(outside.parent, above)
    (above / "link").symlink_to(target)
    name = os.fsencode((above / "link" / "f").relative_to(inside))
    assert working.set_access_time(name, NEW) is Outcome.REFUSED
    assert atime(outside) == OLD


def test_links_that_stay_inside_are_refused_too(inside: Path, working: Beneath) -> None:
    path = make(inside / "a" / "f")
    (inside / "link").symlink_to("a")
    (inside / "loop").symlink_to("loop")
    assert working.set_access_time(b"link/f", NEW) is Outcome.REFUSED
    assert working.set_access_time(b"loop/f", NEW) is Outcome.REFUSED
    assert atime(path) == OLD


@pytest.mark.parametrize("target", ["outside/f", "outside", "missing"])
def test_a_link_at_the_end_is_itself_what_was_read(
    inside: Path, outside: Path, working: Beneath, target: str
) -> None:
    link = inside / "a" / "link"
    link.parent.mkdir()
    link.symlink_to(inside.parent / target)
    os.utime(link, ns=(OLD, OLD), follow_symlinks=False)
    os.utime(outside.parent, ns=(OLD, OLD))
    assert working.set_access_time(b"a/link", NEW) is Outcome.SET
    assert atime(link) == NEW
    assert atime(outside) == atime(outside.parent) == OLD


def test_hard_links_are_one_file(inside: Path, working: Beneath) -> None:
    path = make(inside / "a" / "f")
    os.link(path, inside / "g")
    assert working.set_access_time(b"g", NEW) is Outcome.SET
    assert working.set_access_time(b"a/f", NEW) is Outcome.FRESH
    assert atime(path) == NEW


# -- what changes while a parent is kept ----------------------------------------------------------


def move_out(inside: Path, outside: Path) -> Outcome:
    (inside / "a" / "b").rename(outside.parent / "moved")
    return Outcome.GONE


def move_out_from_above(inside: Path, outside: Path) -> Outcome:
    (inside / "a").rename(outside.parent / "moved")
    return Outcome.GONE


def rename(inside: Path, outside: Path) -> Outcome:
    (inside / "a").rename(inside / "c")
    return Outcome.GONE


def move_and_link_back(inside: Path, outside: Path) -> Outcome:
    (inside / "a").rename(outside.parent / "moved")
    (inside / "a").symlink_to(outside.parent / "moved")
    return Outcome.REFUSED


def replace(inside: Path, outside: Path) -> Outcome:
    (inside / "a" / "b").rename(inside / "old")
    make(inside / "a" / "b" / "g")
    return Outcome.SET


def remove(inside: Path, outside: Path) -> Outcome:
    for name in ("f", "g"):
        (inside / "a" / "b" / name).unlink()
    (inside / "a" / "b").rmdir()
    return Outcome.GONE


def remove_and_make_anew(inside: Path, outside: Path) -> Outcome:
    remove(inside, outside)
    make(inside / "a" / "b" / "g")
    return Outcome.SET


@pytest.mark.parametrize(
    "change",
    [
        move_out,
        move_out_from_above,
        rename,
        move_and_link_back,
        replace,
        remove,
        remove_and_make_anew,
    ],
)
def test_a_kept_parent_leads_nowhere_else(
    inside: Path, outside: Path, working: Beneath, change: Callable[[Path, Path], Outcome]
) -> None:
    make(inside / "a" / "b" / "f")
    moved = make(inside / "a" / "b" / "g")
    number = os.open(moved, os.O_PATH)
    try:
        assert working.set_access_time(b"a/b/f", NEW) is Outcome.SET  # keeps a/b
        expected = change(inside, outside)
        assert working.set_access_time(b"a/b/g", NEW) is expected
        assert os.fstat(number).st_atime_ns == OLD
        if expected is Outcome.SET:
            assert atime(inside / "a" / "b" / "g") == NEW
    finally:
        os.close(number)
    assert atime(outside) == OLD


def test_a_kept_parent_has_an_age(inside: Path) -> None:
    """What only a server knows is looked up again: opened descriptors are counted instead."""
    make(inside / "a" / "f")
    times = [0.0]
    opened: list[bytes] = []

    class Watched(Beneath):
        def _resolve(self, directory: int, path: bytes, *, only_directory: bool = False) -> int:
            opened.append(path)
            return super()._resolve(directory, path, only_directory=only_directory)

    root = os.open(inside, os.O_PATH)
    with Watched(root, parent_age=1.0, clock=lambda: times[0]) as working:
        for times[0], expected in ((0.0, [b"a", b"f"]), (0.9, [b"f"]), (1.0, [b"a", b"f"])):
            opened.clear()
            working.set_access_time(b"a/f", NEW)
            assert opened == expected
    os.close(root)


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESTALE])
def test_a_kept_parent_that_a_server_knows_no_more_is_looked_up_again(
    inside: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    make(inside / "a" / "f")
    with beneath(inside, Way(True, 3600.0)) as working:
        assert working.set_access_time(b"a/f", OLD + 1) is Outcome.SET
        kept = os.listdir("/proc/self/fd")
        plain = Syscalls.open_beneath
        failures = [code]

        def stale(
            calls: Syscalls, directory: int, path: bytes, *, only_directory: bool = False
        ) -> int:
            if path == b"f" and failures:
                failures.pop()
                raise OSError(code, os.strerror(code))
            return plain(calls, directory, path, only_directory=only_directory)

        monkeypatch.setattr(Syscalls, "open_beneath", stale)
        assert working.set_access_time(b"a/f", NEW) is Outcome.SET
        assert not failures
        assert len(os.listdir("/proc/self/fd")) == len(kept)


def test_kept_parents_have_a_bound(inside: Path) -> None:
    for number in range(300):
        make(inside / str(number) / "f")
    before = len(os.listdir("/proc/self/fd"))
    with beneath(inside, Way(True, 3600.0)) as working:
        for _turn in range(2):
            for number in range(300):
                working.set_access_time(b"%d/f" % number, NEW)
        assert len(os.listdir("/proc/self/fd")) - before <= 130
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("deep", [False, True])
def test_links_swapped_in_meanwhile_lead_nowhere(
    inside: Path, outside: Path, working: Beneath, deep: bool
) -> None:
    """Another thread swaps a directory and a link to a directory outside, as fast as it can."""
    make(inside / "a" / "f")
    if deep:
        make(inside / "a" / "b" / "f")
        make(outside.parent / "b" / "f")
    else:
        make(inside / "a" / "f")
    (inside / "link").symlink_to(outside.parent)
    done = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not done.is_set():
            for source, target in (("a", "real"), ("link", "a"), ("a", "link"), ("real", "a")):
                (inside / source).rename(inside / target)
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    name = b"a/b/f" if deep else b"a/f"
    try:
        for step in range(200_000):
            seen.add(working.set_access_time(name, NEW + step))
            if step > 2000 and swaps > 100 and {Outcome.SET, Outcome.REFUSED} <= seen:
                break
    finally:
        done.set()
        thread.join()
    assert swaps > 100
    assert seen <= {Outcome.SET, Outcome.REFUSED, Outcome.GONE}
    assert Outcome.SET in seen
    assert atime(outside) == OLD
    if deep:
        assert atime(outside.parent / "b" / "f") == OLD


# -- refusals and errors --------------------------------------------------------------------------


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """A file that even root can not change, as a WORM-locked one; or one without permission."""
    if os.geteuid():
        path.parent.chmod(0)
        yield
        path.parent.chmod(0o700)
        return
    get, put, flag = 0x80086601, 0x40086602, 0x10  # FS_IOC_GETFLAGS, _SETFLAGS, FS_IMMUTABLE_FL
    with open(path, "rb") as file:
        try:
            flags = struct.unpack("l", fcntl.ioctl(file, get, bytes(8)))[0]
            fcntl.ioctl(file, put, struct.pack("l", flags | flag))
        except OSError as exc:
            pytest.skip(f"this file system has no immutable files ({exc.strerror})")
        try:
            yield
        finally:
            fcntl.ioctl(file, put, struct.pack("l", flags))


def test_a_locked_file_is_denied(inside: Path, working: Beneath) -> None:
    path = make(inside / "a" / "f")
    with immutable(path):
        assert working.set_access_time(b"a/f", NEW) is Outcome.DENIED
    assert atime(path) == OLD


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EPERM, Outcome.DENIED),
        (errno.EACCES, Outcome.DENIED),
        (errno.EINVAL, Outcome.DENIED),
        (errno.EROFS, Outcome.DENIED),  # the root is writable: it is about this directory
        (errno.ENOENT, Outcome.GONE),
        (errno.ESTALE, Outcome.GONE),  # the root is not stale: it is about this file
        (errno.ENOTCONN, None),
        (errno.EIO, None),
        (errno.ETIMEDOUT, None),
        (errno.EMFILE, None),
        (errno.EDQUOT, None),
    ],
)
def test_errors_are_about_the_file_or_stop_the_work(
    inside: Path,
    working: Beneath,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    expected: Outcome | None,
) -> None:
    make(inside / "f")

    def fail(*_arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Syscalls, "set_access_time", fail)
    if expected is None:
        with pytest.raises(MountError, match=os_reasons.cause(OSError(code, os.strerror(code)))):
            working.set_access_time(b"f", NEW)
    else:
        assert working.set_access_time(b"f", NEW) is expected


def test_the_mount_is_checked_once_a_second(inside: Path) -> None:
    path = make(inside / "f")
    now, gone = 0.0, False

    def check() -> None:
        if gone:
            raise MountError("gone")

    root = os.open(inside, os.O_PATH)
    with Beneath(root, check=check, clock=lambda: now) as working:
        assert working.set_access_time(b"f", OLD + 1) is Outcome.SET
        gone = True
        now = 1.0
        for _turn in range(2):
            with pytest.raises(MountError):
                working.set_access_time(b"f", NEW)
    os.close(root)
    assert atime(path) == OLD + 1
