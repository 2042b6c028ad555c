# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit lines of many files, as a cluster would send them."""

from __future__ import annotations

FILES_PER_DIRECTORY = 200


def name(number: int) -> str:
    """Path of a file; many files to a directory, as people have them."""
    directory = number // FILES_PER_DIRECTORY
    return f"projects/p{directory % 50:02d}/shots/d{directory:05d}/file-{number:07d}.exr"


def line(number: int, form: str) -> bytes:
    """An audit line."""
    nanoseconds = (number * 7919) % 1_000_000_000
    head = (
        f"<14>1 2026-01-31T18:00:{number % 60:02d}.{nanoseconds:09d}Z c-{number % 4} qumulo - - - "
    )
    ip, path = f"10.1.2.{number % 250}", "/" + name(number)
    if form == "csv":
        body = (
            f'{ip},"AD\\user{number % 90}",smb2,fs_read_data,ok,{10_000_000 + number},"{path}",""'
        )
    elif form == "quoted":
        path = path.replace("file-", 'a ""good"", file-')
        body = (
            f'{ip},"AD\\user{number % 90}",smb2,fs_read_data,ok,{10_000_000 + number},"{path}",""'
        )
    else:
        body = (
            f'{{"user_ip": "{ip}", "user_id": {{"name": "AD\\\\user{number % 90}", "auth_id": '
            f'"{number % 90}", "sid": "S-1-5-21-1-{number % 90}"}}, "protocol": "smb2", '
            f'"operation": "fs_read_data", "status": "ok", "details": {{"path": "{path}", '
            f'"file_id": "{10_000_000 + number}", "offset": 0, "size": 65536}}}}'
        )
    return (head + body).encode()


def frames(lines: list[bytes]) -> bytes:
    """The same over RELP."""
    offer = b"relp_version=0\nrelp_software=bench\ncommands=syslog"
    parts = [b"1 open %d %b\n" % (len(offer), offer)]
    parts += [b"%d syslog %d %b\n" % (n, len(text), text) for n, text in enumerate(lines, 2)]
    return b"".join(parts)
