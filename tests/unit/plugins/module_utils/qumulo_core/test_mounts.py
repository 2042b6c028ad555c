# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    relative,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.mounts import (
    Mount,
    MountEntry,
    MountError,
    parse_mountinfo,
)


def test_mountinfo() -> None:
    text = (
        b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        b"41 27 0:45 / /mnt/q\\040\\134\\303\\244 rw shared:5 master:1 - nfs 10.0.0.1:/a\\040b rw\n"
        b"42 27 0:46 / /mnt/odd\xff rw - fuse.x none rw\n"
    )
    assert parse_mountinfo(text) == [
        MountEntry(27, "254:0", b"/", "ext4", "/dev/vda"),
        MountEntry(41, "0:45", "/mnt/q \\ä".encode(), "nfs", "10.0.0.1:/a b"),
        MountEntry(42, "0:46", b"/mnt/odd\xff", "fuse.x", "none"),
    ]


@pytest.mark.parametrize("line", [b"", b"x", b"1 2 3 4 5 6 -", b"a 1 0:1 / /m rw - t s o", b"\xff"])
def test_lines_that_are_none(line: bytes) -> None:
    assert parse_mountinfo(line) == []


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/proc/self/status", "/a\0b"])
def test_what_can_not_be_opened_is_no_mount(path: str) -> None:
    with pytest.raises(MountError, match="mount the cluster there"):
        Mount(path)


@pytest.mark.parametrize(
    ("path", "export", "expected"),
    [
        ("/a/b", "/", b"a/b"),
        ("/a/b", "/a", b"b"),
        ("/a/b", "/a/", b"b"),
        ("/a", "/a", b"."),
        ("/a/", "/a", b"."),
        ("/", "/", b"."),
        ("/ab", "/a", None),
        ("/b", "/a", None),
        ("a", "/", None),
        ("/a/../b", "/a", b"../b"),  # for set_access_time to refuse
        ("/a//etc", "/a", b"/etc"),
        ("/a/ä\udcff", "/a", "ä".encode() + b"\xff"),
    ],
)
def test_relative(path: str, export: str, expected: bytes | None) -> None:
    assert relative(path, export) == expected
