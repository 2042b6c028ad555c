# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount of a cluster: whether it is there, and whether it is the one that is expected."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass

from ..errors import QumuloError

NFS = ("nfs", "nfs4")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


class MountError(QumuloError):
    """The mount can not be worked on now: keep what is to be done, and try again later."""


@dataclass(frozen=True)
class MountEntry:
    """A line of ``/proc/self/mountinfo``.

    :param mount_id: number of the mount; unique as long as it, or anything opened in it, is there.
    :param device: ``major:minor``.
    :param point: where it is mounted.
    :param source: what is mounted, such as ``cluster:/export``.
    """

    mount_id: int
    device: str
    point: bytes
    fstype: str
    source: str


def parse_mountinfo(text: bytes) -> list[MountEntry]:
    """Return the mounts of a ``mountinfo``; lines that are not as proc(5) says are left out."""
    found = []
    for line in text.split(b"\n"):
        fields = line.split(b" ")
        try:
            # Optional fields, any number of them, end at a hyphen.
            hyphen = fields.index(b"-", 6)
            found.append(
                MountEntry(
                    mount_id=int(fields[0]),
                    device=fields[2].decode("ascii"),
                    point=_plain(fields[4]),
                    fstype=_plain(fields[hyphen + 1]).decode("utf-8", "surrogateescape"),
                    source=_plain(fields[hyphen + 2]).decode("utf-8", "surrogateescape"),
                )
            )
        except (ValueError, IndexError):
            continue
    return found


def _plain(field: bytes) -> bytes:
    r"""Undo the escapes of blanks and backslashes: ``\040`` and the like."""
    return _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8) & 255]), field)


def mount_id(descriptor: int) -> int:
    """Return the number of the mount that a descriptor was opened in.

    :raises OSError: ``/proc`` is not there.
    """
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
        for line in file:
            if line.startswith(b"mnt_id:"):
                return int(line[7:])
    raise OSError("/proc/self/fdinfo names no mount: Linux 3.15 or later is needed")


class Mount:
    """The root of a mount, opened once: what happens to the mount point later leads nowhere else.

    :param path: the mount point.
    :param fstypes: kinds of file systems that it may be; none for any.
    :param source: what must be mounted there, as ``/proc/self/mountinfo`` names it, or None.
    :raises MountError: it is not there, or not what is expected.
    """

    def __init__(
        self, path: str, *, fstypes: Collection[str] = NFS, source: str | None = None
    ) -> None:
        self.path = path
        self._fstypes, self._source = tuple(fstypes), source
        self.descriptor = self._open()
        try:
            self.entry = self._check_root()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Mount:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the mount go; until then it can not be unmounted but by force."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def check(self) -> None:
        """Make sure that the mount is still what its path shows.

        :raises MountError: it is gone, or covered by another one.
        """
        number = self._open()
        try:
            same = mount_id(number) == self.entry.mount_id
        except OSError as exc:
            raise self._error(f"can not be examined ({exc.strerror or exc})") from exc
        finally:
            os.close(number)
        if not same:
            raise self._error("is not the mount any more that it was")

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            raise self._error(f"can not be opened ({reason})") from exc

    def _check_root(self) -> MountEntry:
        try:
            number = mount_id(self.descriptor)
            shown = os.readlink(b"/proc/self/fd/%d" % self.descriptor)
            with open("/proc/self/mountinfo", "rb") as file:
                entries = parse_mountinfo(file.read())
        except OSError as exc:
            raise self._error(f"can not be examined ({exc.strerror or exc})") from exc
        entry = next((entry for entry in entries if entry.mount_id == number), None)
        if entry is None or entry.point != shown:
            raise self._error("is no mount point")
        if self._fstypes and entry.fstype not in self._fstypes:
            wanted = " or ".join(self._fstypes)
            raise self._error(f"is a mount of type {entry.fstype}, not {wanted}")
        if self._source is not None and entry.source != self._source:
            raise self._error(f"is a mount of {entry.source}, not of {self._source}")
        return entry

    def _error(self, problem: str) -> MountError:
        return MountError(f"{self.path} {problem}: mount the cluster there.")
