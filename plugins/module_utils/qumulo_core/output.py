# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from types import TracebackType
from typing import BinaryIO

from .errors import InputError

_CHUNK = 1 << 20
DEFAULT_MODE = 0o640
_REASONS = {
    errno.ENOENT: "its directory does not exist; create it first",
    errno.ENOTDIR: "part of its path is not a directory",
    errno.EACCES: "permission is denied; choose another place or another user",
    errno.EPERM: "permission is denied; choose another place or another user",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "the quota is used up; free some space and run again",
    errno.EFBIG: "the file would become larger than allowed",
    errno.EISDIR: "it is a directory; name a file",
    errno.ENAMETOOLONG: "its name is too long",
}


def write_error(path: str, exc: OSError) -> InputError:
    """Return a sentence for an output file that can not be written; nothing is left of it."""
    reason = _REASONS.get(exc.errno or 0, str(exc))
    return InputError(f"{path} can not be written: {reason}. Nothing was left behind.")


class AtomicFile:
    """A file under construction, which takes the place of ``path`` when it is complete.

    It is written beside its destination under a temporary name, synced, and renamed. A reader
    sees the old content or the new, never a part; an error leaves the old content as it was.
    Content that is already there is not replaced. Used as a context manager: leaving it without
    :meth:`commit` removes the temporary file.

    :param path: destination.
    :param mode: permissions of a new file; an existing one keeps its own, and its owner.
    :raises InputError: the destination can not be written.
    """

    def __init__(self, path: str, *, mode: int = DEFAULT_MODE) -> None:
        self.path = os.path.abspath(path)
        self._mode = mode
        self._directory, name = os.path.split(self.path)
        if os.path.isdir(self.path):
            raise write_error(self.path, OSError(errno.EISDIR, ""))
        try:
            number, self._temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self._directory)
        except OSError as exc:
            raise write_error(self.path, exc) from exc
        self.file: BinaryIO = os.fdopen(number, "wb", _CHUNK)
        self._present = True

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._discard()
        if isinstance(exc, OSError):
            raise write_error(self.path, exc) from exc

    def write(self, data: bytes) -> None:
        """Append to the file under construction."""
        self.file.write(data)

    def commit(self, *, dry_run: bool = False) -> bool:
        """Put the file in place; return False if the destination already has this content.

        :param dry_run: only tell whether it would change.
        :raises InputError: it can not be completed; the destination is as it was.
        """
        try:
            self.file.flush()
            if not dry_run:
                os.fsync(self.file.fileno())
            self.file.close()
            changed = not _same_content(self.path, self._temporary)
            if changed and not dry_run:
                self._take_over_permissions()
                os.replace(self._temporary, self.path)
                self._present = False
                _sync_directory(self._directory)
        except OSError as exc:
            raise write_error(self.path, exc) from exc
        finally:
            self._discard()
        return changed

    def _take_over_permissions(self) -> None:
        try:
            old = os.stat(self.path)
        except FileNotFoundError:
            os.chmod(self._temporary, self._mode)
            return
        os.chmod(self._temporary, old.st_mode & 0o7777)
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            try:
                os.chown(self._temporary, old.st_uid, old.st_gid)
            except PermissionError:
                pass  # only root may; the content is what was asked for

    def _discard(self) -> None:
        if self._present:
            self._present = False
            try:
                self.file.close()
            except OSError:
                pass  # what could not be flushed is thrown away anyway
            try:
                os.unlink(self._temporary)
            except FileNotFoundError:
                pass


def _same_content(one: str, other: str) -> bool:
    try:
        if os.path.getsize(one) != os.path.getsize(other):
            return False
        with open(one, "rb") as left, open(other, "rb") as right:
            while True:
                chunk = left.read(_CHUNK)
                if chunk != right.read(_CHUNK):
                    return False
                if not chunk:
                    return True
    except FileNotFoundError:
        return False


def _sync_directory(path: str) -> None:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
