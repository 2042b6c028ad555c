# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system of the kernel's FUSE whose files lose their access times, as some servers' do.

It answers the kernel directly, without a library: a flat directory of empty files.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import threading
from collections.abc import Collection
from pathlib import Path

_LOOKUP, _FORGET, _GETATTR, _SETATTR, _STATFS = 1, 2, 3, 4, 17
_INIT, _ACCESS, _INTERRUPT, _DESTROY, _BATCH_FORGET = 26, 34, 36, 38, 42
_SILENT = (_FORGET, _INTERRUPT, _BATCH_FORGET)
_ATIME = 1 << 4
_ROOT = 1
_IN = struct.Struct("=IIQQIIIHH")
_OUT = struct.Struct("=IiQ")
_ATTR = struct.Struct("=QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("=QQQQII")
_ATTR_OUT = struct.Struct("=QII")
_SETATTR_IN = struct.Struct("=IIQQQQQQIII")
_SECOND = 10**9


class Unmountable(RuntimeError):
    """This machine mounts no file system of FUSE."""


class FuseFiles:
    """A mount of files.

    :param point: an empty directory.
    :param names: of the files.
    :param time_ns: access and modification time of each file.
    """

    def __init__(self, point: Path, names: Collection[bytes], time_ns: int) -> None:
        self._point = point
        self._numbers = {name: number for number, name in enumerate(names, _ROOT + 1)}
        self._modified = time_ns
        #: Access times by the number of the file.
        self.accessed = dict.fromkeys([_ROOT, *self._numbers.values()], time_ns)
        #: Files whose access time stays as it is, although the change succeeds.
        self.ignores: set[bytes] = set()
        self._device = -1
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FuseFiles:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as exc:
            raise Unmountable(str(exc)) from exc
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % self._device
        if libc.mount(b"files", os.fsencode(self._point), b"fuse", 0, options):
            os.close(self._device)
            raise Unmountable(os.strerror(ctypes.get_errno()))
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        subprocess.run(["umount", "-l", str(self._point)], check=False, capture_output=True)
        os.close(self._device)  # whoever waits for an answer gets an error
        self._thread.join(60)

    def access_time(self, name: bytes) -> int:
        """Return the access time of a file."""
        return self.accessed[self._numbers[name]]

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._device, 1 << 18)
            except OSError as exc:
                if exc.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # it is unmounted
            _length, code, unique, node, *_rest = _IN.unpack_from(request)
            if code in _SILENT:
                continue
            answer = self._answer(code, node, request[_IN.size :])
            error, data = (-answer, b"") if isinstance(answer, int) else (0, answer)
            try:
                os.write(self._device, _OUT.pack(_OUT.size + len(data), error, unique) + data)
            except OSError:
                if code != _DESTROY:
                    continue  # the request was interrupted

    def _answer(self, code: int, node: int, data: bytes) -> bytes | int:
        """Return the answer to a request, or the number of an error."""
        if code == _INIT:
            return struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 16, 12, 1 << 16, 1, 1, 0, 0)
        if code == _LOOKUP:
            number = self._numbers.get(data.rstrip(b"\0"))
            if number is None:
                return errno.ENOENT
            return _ENTRY.pack(number, 0, 0, 0, 0, 0) + self._attributes(number)
        if code == _SETATTR:
            valid, *values = _SETATTR_IN.unpack_from(data)
            seconds, nanoseconds = values[4], values[7]
            ignored = {self._numbers[name] for name in self.ignores}
            if valid & _ATIME and node not in ignored:
                self.accessed[node] = seconds * _SECOND + nanoseconds
        if code in (_GETATTR, _SETATTR):
            return _ATTR_OUT.pack(0, 0, 0) + self._attributes(node)
        if code == _STATFS:
            return struct.pack("=5Q4I24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        return b"" if code in (_ACCESS, _DESTROY) else errno.ENOSYS

    def _attributes(self, node: int) -> bytes:
        kind = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
        times = [divmod(ns, _SECOND) for ns in (self.accessed[node], *[self._modified] * 2)]
        return _ATTR.pack(
            *(node, 0, 0, *(seconds for seconds, _ns in times)),
            *(*(ns for _seconds, ns in times), kind, 1, 0, 0, 0, 4096, 0),
        )
