# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two system calls of Linux that Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import os

#: The same on every architecture of Linux but alpha.
_SYS_OPENAT2 = 437
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS = 0x01, 0x02
_RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x04, 0x08
_RESOLVE = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH
_UTIME_OMIT = (1 << 30) - 2
_AT_EMPTY_PATH = 0x1000
_SECOND = 1_000_000_000


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


class _Timespec(ctypes.Structure):
    # time_t is a long wherever glibc's plain utimensat is: on 32 bits it is the old one.
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class Syscalls:
    """Calls with arguments that are laid out once; for one thread.

    :raises OSError: the C library of this host has no ``utimensat``.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        try:
            self._utimensat = library.utimensat
            self._syscall = library.syscall
        except AttributeError as exc:
            raise OSError(errno.ENOSYS, "The C library has no utimensat") from exc
        self._utimensat.argtypes = [
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_void_p,
            ctypes.c_int,
        ]
        self._utimensat.restype = ctypes.c_int
        self._syscall.argtypes = [
            ctypes.c_long,
            ctypes.c_long,
            ctypes.c_char_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
        ]
        self._syscall.restype = ctypes.c_long
        found = os.O_PATH | os.O_CLOEXEC
        self._any = _OpenHow(found | os.O_NOFOLLOW, 0, _RESOLVE)
        # Without O_NOFOLLOW: so that a symbolic link is refused and not taken for a file.
        self._directory = _OpenHow(found | os.O_DIRECTORY, 0, _RESOLVE)
        self._any_at = ctypes.addressof(self._any)
        self._directory_at = ctypes.addressof(self._directory)
        self._times = (_Timespec * 2)()
        self._times[1].nanoseconds = _UTIME_OMIT
        self._times_at = ctypes.addressof(self._times)
        self._access = self._times[0]

    def open_beneath(self, directory: int, path: bytes, *, only_directory: bool = False) -> int:
        """Return a descriptor (``O_PATH``) of what lies beneath a directory.

        The kernel refuses symbolic links on the way, other file systems, and every way up; a
        symbolic link at the end is opened itself, or refused where a directory is wanted.

        :raises OSError: as openat2 says; ``ENOSYS`` before Linux 5.6.
        """
        how = self._directory_at if only_directory else self._any_at
        while True:
            number: int = self._syscall(_SYS_OPENAT2, directory, path, how, 24)
            if number >= 0:
                return number
            code = ctypes.get_errno()
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code))

    def set_access_time(self, descriptor: int, time_ns: int) -> None:
        """Set the access time of what a descriptor stands for, and nothing else.

        :param descriptor: may be ``O_PATH``, and of a symbolic link.
        :param time_ns: nanoseconds since 1970.
        :raises OSError: as utimensat says.
        """
        self._access.seconds, self._access.nanoseconds = divmod(time_ns, _SECOND)
        path, flags = b"", _AT_EMPTY_PATH
        while self._utimensat(descriptor, path, self._times_at, flags):
            code = ctypes.get_errno()
            if code == errno.EINVAL and flags:
                # Before Linux 5.8; the other name of a descriptor was there always.
                path, flags = b"/proc/self/fd/%d" % descriptor, 0
            elif code != errno.EINTR:
                raise OSError(code, os.strerror(code))
