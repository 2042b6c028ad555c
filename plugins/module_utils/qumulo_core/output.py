# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output files that are written atomically and that no other account can change."""

from __future__ import annotations

import errno
import os
import stat
from types import TracebackType
from typing import BinaryIO

from .common import os_reasons, safe_paths
from .common.drafts import Draft, remove_leftovers
from .errors import InputError

_CHUNK = 1 << 20
DEFAULT_MODE = 0o640
#: File systems of the kernel. What is in them is not storage, such as ``/dev/stdout``.
_KERNEL = ("/dev", "/proc", "/sys")
_STORAGE = ("/dev/shm",)
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
    errno.ELOOP: "its path has too many symlinks",
}
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)


def write_error(path: str, exc: OSError) -> InputError:
    """Return the error for an output file that cannot be written; nothing of it is left."""
    if exc.errno in _REASONS:
        return _refusal(path, _REASONS[exc.errno])
    if not os_reasons.is_known(exc):
        return _refusal(path, str(exc))
    step = os_reasons.step(exc, "").rstrip(".")
    return _refusal(path, f"{os_reasons.cause(exc)}; {step[:1].lower()}{step[1:]}")


def _refusal(path: str, reason: str) -> InputError:
    return InputError(f"{path} cannot be written: {reason}. Nothing was left behind.")


class AtomicFile:
    """A file that is written under a temporary name and replaces ``path`` on :meth:`commit`.

    It is written beside its destination, where possible without a name, synced, and renamed. A
    reader sees the old content or the new, never a part; an error leaves the old content as it was.
    Nothing is left of a process that is killed, or the next one removes it.
    Content that is already there is not replaced. Used as a context manager: leaving it without
    :meth:`commit` removes the temporary file.

    The file is always a new one that belongs to the account that writes it, so a process that has
    the old one open, or a hard link to the old one, cannot change the new one. A symlink is
    replaced and not followed, as by ``ansible.builtin.copy``. The directory is opened once, so
    it cannot be exchanged in the meantime.

    :param path: destination.
    :param mode: permissions of a new file. One that exists keeps those of them that it has.
    :param tidy: remove what killed runs have left, for which the directory has to be listed.
    :raises InputError: the destination cannot be written, is not a regular file, or belongs to
        another account than this and root.
    """

    def __init__(self, path: str, *, mode: int = DEFAULT_MODE, tidy: bool = True) -> None:
        self.path = safe_paths.absolute(path)
        self._mode = mode
        self._present = False
        try:
            self._directory, real, self._name = safe_paths.resolve(self.path)
        except OSError as exc:
            raise write_error(self.path, exc) from exc
        try:
            self._check_kind()
            if f"{real}/".startswith(tuple(f"{one}/" for one in _KERNEL)) and not (
                f"{real}/".startswith(tuple(f"{one}/" for one in _STORAGE))
            ):
                raise _refusal(self.path, f"{real} holds devices and no files; name a regular file")
            if tidy:
                remove_leftovers(self._directory, self._name)
            self._open()
            self._check_owner()
        except OSError as exc:
            self._close()
            raise write_error(self.path, exc) from exc
        except BaseException:
            self._close()
            raise

    def _open(self) -> None:
        self._draft = Draft(self._directory, self._name)
        self.file: BinaryIO = os.fdopen(self._draft.number, "wb", _CHUNK)
        self._present = True
        self._own = os.fstat(self._draft.number)

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        if isinstance(exc, OSError):
            raise write_error(self.path, exc) from exc

    def write(self, data: bytes) -> None:
        """Append to the file under construction."""
        self.file.write(data)

    def commit(self, *, dry_run: bool = False) -> bool:
        """Replace the destination; return False if it already has this content.

        :param dry_run: only compare, and change nothing.
        :raises InputError: it cannot be completed; the destination is unchanged.
        """
        try:
            self._check_kind()
            old = self._check_owner()
            self.file.flush()
            fd = self.file.fileno()
            os.fchmod(fd, self._permissions(old))
            # Some file systems show fixed permissions for all files.
            allowed = self._mode | stat.S_IMODE(os.fstat(fd).st_mode)
            if not dry_run:
                os.fsync(fd)
            changed = old is None or not self._is_in_place(old, allowed)
            if changed and not dry_run:
                self._replace()
        except OSError as exc:
            raise write_error(self.path, exc) from exc
        finally:
            self._discard()
        return changed

    def remove_sibling(self, name: str) -> bool:
        """Remove a file that an earlier run wrote to this directory; return whether it existed.

        :param name: name of the file, without its directory.
        """
        try:
            found = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode) or not self._is_trusted(found):
            return False
        os.unlink(name, dir_fd=self._directory)
        return True

    def _look(self, *, follow: bool = False) -> os.stat_result | None:
        try:
            return os.stat(self._name, dir_fd=self._directory, follow_symlinks=follow)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            if follow and exc.errno in (errno.ELOOP, errno.EACCES):
                return None  # a broken symlink is replaced like any other
            raise

    def _check_kind(self) -> None:
        """Refuse anything but a regular file, a symlink to one, or a broken symlink."""
        if not self._name:
            raise OSError(errno.EISDIR, "")
        found = self._look()
        if found is None:
            return
        link = ""
        if stat.S_ISLNK(found.st_mode):
            found, link = self._look(follow=True), "a symlink to "
        if found is None:
            return
        for is_kind, kind in _KINDS:
            if is_kind(found.st_mode):
                raise _refusal(self.path, f"it is {link}{kind}; name a regular file")

    def _is_trusted(self, found: os.stat_result) -> bool:
        # A file server may map the owner of all new files to another account.
        return safe_paths.is_trusted(found.st_uid) or found.st_uid == self._own.st_uid

    def _check_owner(self) -> os.stat_result | None:
        """Return the status of the destination; refuse one that belongs to another account."""
        found = self._look()
        if found is not None and not self._is_trusted(found):
            raise _refusal(
                self.path,
                f"a file of this name belongs to {safe_paths.describe_owner(found.st_uid)}; "
                "remove it, or choose a directory that only this account can write to",
            )
        return found

    def _permissions(self, old: os.stat_result | None) -> int:
        if old is None or not stat.S_ISREG(old.st_mode):
            return self._mode
        return (old.st_mode & self._mode) | stat.S_IRUSR

    def _is_in_place(self, old: os.stat_result, allowed: int) -> bool:
        """Tell whether content, owner and permissions are already those of the new file."""
        if (
            not stat.S_ISREG(old.st_mode)
            or old.st_uid != self._own.st_uid
            or old.st_nlink != 1
            or stat.S_IMODE(old.st_mode) & ~allowed
        ):
            return False
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(self._name, flags, dir_fd=self._directory)
        except (FileNotFoundError, PermissionError):
            return False
        with open(fd, "rb") as there:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) != (old.st_dev, old.st_ino):
                return False
            with open(self._draft.number, "rb", closefd=False) as own:
                own.seek(0)
                size = os.fstat(own.fileno()).st_size
                return size == found.st_size and _same_content(there, own)

    def _replace(self) -> None:
        at = self._directory
        temporary = self._draft.appear()
        self._verify(temporary)
        os.rename(temporary, self._name, src_dir_fd=at, dst_dir_fd=at)
        self._draft.name = None  # it is not a temporary one any more
        self._verify(self._name)
        try:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
        except PermissionError:
            return  # the directory is not readable, so it cannot be synced
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _verify(self, name: str) -> None:
        """Make sure that a name still refers to the file that was written."""
        try:
            found = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != (self._own.st_dev, self._own.st_ino):
            raise InputError(
                f"{self.path} cannot be trusted: it was replaced while it was being written. "
                "Choose a directory that only this account can write to."
            )

    def _discard(self) -> None:
        if self._present:
            self._present = False
            try:
                self.file.close()
            except OSError:
                pass  # what could not be flushed is thrown away anyway
            self._draft.vanish()

    def _close(self) -> None:
        self._discard()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1


def _same_content(one: BinaryIO, other: BinaryIO) -> bool:
    while True:
        chunk = one.read(_CHUNK)
        if chunk != other.read(_CHUNK):
            return False
        if not chunk:
            return True
