# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted below a directory of this host.

The device number of a file does not reveal a bind mount of the same file system. The kernel's list
of mounts does, and so does the mount ID of an open file.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable

from ..errors import InputError

_ESCAPE = re.compile(rb"\\([0-7]{3})")
#: Position of the mount point in a line of mountinfo, see proc_pid_mountinfo(5).
_POINT = 4


class Mounts:
    """Mount points below a directory.

    :param points: their names relative to the directory.
    """

    def __init__(self, points: Iterable[bytes] = ()) -> None:
        self._points = frozenset(points)
        #: each mount point, and each directory above one, with a mount point in it
        self._around: dict[bytes, bytes] = {}
        for point in sorted(self._points):
            for name in _prefixes(point):
                self._around.setdefault(name, point)

    def obstacle(self, name: bytes) -> bytes | None:
        """Return a mount point that a name is, that is below it, or that its path crosses."""
        if not self._points:
            return None
        if name in self._around:
            return self._around[name]
        return next((one for one in _prefixes(name) if one in self._points), None)


def _prefixes(name: bytes) -> Iterable[bytes]:
    at = name.find(b"/")
    while at >= 0:
        yield name[:at]
        at = name.find(b"/", at + 1)
    yield name


def parse(mountinfo: bytes, directory: bytes) -> Mounts:
    """Return the mount points below a directory, not the directory itself.

    :param mountinfo: content of ``/proc/self/mountinfo``.
    :param directory: real path.
    """
    above = directory.rstrip(b"/") + b"/"
    fields = (line.split(b" ") for line in mountinfo.split(b"\n") if line)
    points = (_ESCAPE.sub(_unescape, line[_POINT]) for line in fields)
    return Mounts(
        point[len(above) :]
        for point in points
        if len(point) > len(above) and point.startswith(above)
    )


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8) & 0xFF])


def below(directory: str) -> Mounts:
    """Return what is mounted below a directory, as this process sees it.

    :param directory: real path.
    :raises InputError: the kernel's list of mounts cannot be read.
    """
    if not sys.platform.startswith("linux"):
        return Mounts()
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            mountinfo = file.read()
    except OSError as exc:
        raise InputError(
            f"Cannot check what is mounted in {directory}, because /proc/self/mountinfo cannot be "
            f"read: {exc.strerror}. Mount /proc on this host or in this container."
        ) from exc
    return parse(mountinfo, os.fsencode(directory))


def mount_id(descriptor: int) -> int | None:
    """Return the ID of the mount that an open file was reached through; None if it is unknown."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
            for line in file:
                if line.startswith(b"mnt_id:"):
                    return int(line[len(b"mnt_id:") :])
    except OSError:
        pass  # without /proc, the device number has to do
    return None
