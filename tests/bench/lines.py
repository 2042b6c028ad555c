# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit lines of many files, as a cluster would send them."""

from __future__ import annotations

FILES_PER_DIRECTORY = 200
#: IDs of real clusters have up to 97 bits.
FIRST_ID = 140_624_751_830_626_345_080_086_000_000


def name(number: int) -> str:
    """Path of a file; many files to a directory, as people have them."""
    directory = number // FILES_PER_DIRECTORY
    return f"projects/p{directory % 50:02d}/shots/d{directory:05d}/file-{number:07d}.exr"


def line(number: int, form: str) -> bytes:
    """An audit line."""
    # Six digits at most, as RFC 5424 has it; clusters leave out zeros at the end.
    fraction = f".{(number * 7919) % 1_000_000:06d}".rstrip("0").rstrip(".")
    if form == "nine":
        form, fraction = "csv", f".{(number * 7919) % 1_000_000_000:09d}"
    head = f"<14>1 2026-01-31T18:00:{number % 60:02d}{fraction}Z c-{number % 4} qumulo - - - "
    ip, path = f"10.1.2.{number % 250}", "/" + name(number)
    if form == "csv":
        body = f'{ip},"AD\\user{number % 90}",smb2,fs_read_data,ok,{FIRST_ID + number},"{path}",""'
    elif form == "quoted":
        path = path.replace("file-", 'a ""good"", file-')
        body = f'{ip},"AD\\user{number % 90}",smb2,fs_read_data,ok,{FIRST_ID + number},"{path}",""'
    else:
        body = (
            f'{{"user_ip": "{ip}", "user_id": {{"name": "AD\\\\user{number % 90}", "auth_id": '
            f'"{number % 90}", "sid": "S-1-5-21-1-{number % 90}"}}, "protocol": "smb2", '
            f'"operation": "fs_read_data", "status": "ok", "details": {{"path": "{path}", '
            f'"file_id": "{FIRST_ID + number}", "offset": 0, "size": 65536}}}}'
        )
    return (head + body).encode()


def frames(lines: list[bytes]) -> bytes:
    """The same over RELP."""
    offer = b"relp_version=0\nrelp_software=bench\ncommands=syslog"
    parts = [b"1 open %d %b\n" % (len(offer), offer)]
    parts += [b"%d syslog %d %b\n" % (n, len(text), text) for n, text in enumerate(lines, 2)]
    return b"".join(parts)
