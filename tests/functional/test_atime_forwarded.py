# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit lines on their way through somebody else's rsyslogd, and the counts of what is dropped."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.rsyslogd import Forwarder, Rsyslogd
from tests.tools.services import wait_for

from .documented import shown
from .synced import Sender, Synced, csv_line, json_line
from .test_atime import atime, make, tmpfs

SECOND = 1_000_000_000
#: As the guide has it.
GLOBAL = 'maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"'
FULL = ("RSYSLOG_SyslogProtocol23Format", "RSYSLOG_ForwardFormat")
TRADITIONAL = ("RSYSLOG_TraditionalForwardFormat", "RSYSLOG_TraditionalFileFormat")
#: Templates, with zones ahead of UTC and behind it for times that have none.
FORWARDED = [
    *((template, "Asia/Tokyo") for template in FULL + TRADITIONAL),
    ("RSYSLOG_TraditionalForwardFormat", "America/Los_Angeles"),
]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "mount") as path:
        yield path


@pytest.mark.usefixtures("rsyslogd_missing")
@pytest.mark.parametrize(("template", "zone"), FORWARDED)
def test_lines_of_another_server(tmp_path: Path, mount: Path, template: str, zone: str) -> None:
    now = (time.time_ns() - 60 * SECOND) // 1000 * 1000
    names = ["plain", 'with, "all" of: [it]', "tab\there", "/".join(["d" * 200] * 12)]
    paths = [make(mount, name) for name in names]
    lines = [csv_line(now, f"/{path.relative_to(mount)}", file_id="9" * 30) for path in paths]
    other = make(mount, "json")
    lines.append(json_line(now, "/json", file_id="7"))
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    syncer = Synced(tmp_path, mount=mount)
    with (
        syncer.running(),
        Rsyslogd(tmp_path / "ours", syncer.port) as ours,
        Forwarder(tmp_path / "theirs", ours.port, template, zone, GLOBAL) as theirs,
        socket.create_connection(("127.0.0.1", theirs.port)) as cluster,
    ):
        cluster.sendall(b"".join(line + b"\n" for line in lines))
        facts = syncer.wait_idle(len(lines))
    assert (facts["malformed"], facts["counted"]) == ({}, len(lines))
    expected = now if template in FULL else now // SECOND * SECOND
    assert [atime(path) for path in (*paths, other)] == [expected] * len(lines)


class _Shown(Forwarder):
    """A forwarder with the configuration that the guide shows."""

    @property
    def configuration(self) -> str:
        settings, action = shown("docs/access_times.md", "global(").text.splitlines()
        assert settings == f"global({GLOBAL})"
        action = action.replace("syncer.example.com", "127.0.0.1")
        assert 'port="6514"' in action
        action = action.replace("6514", str(self._relp_port))
        before, _action, after = re.split(
            r"( action\(.*?\n    \))", super().configuration, flags=re.S
        )
        return f"{settings}\n{before}{action}{after}"


@pytest.mark.usefixtures("rsyslogd_missing")
def test_the_forwarding_server_of_the_guide(tmp_path: Path, mount: Path) -> None:
    path = make(mount, "tab\there")
    now = time.time_ns() // 1000 * 1000
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    syncer = Synced(tmp_path, mount=mount)
    with (
        syncer.running(),
        Rsyslogd(tmp_path / "ours", syncer.port) as ours,
        _Shown(tmp_path / "theirs", ours.port, "", "Asia/Tokyo") as theirs,
        socket.create_connection(("127.0.0.1", theirs.port)) as cluster,
    ):
        assert "omfwd" in theirs.configuration and "SyslogProtocol23Format" in theirs.configuration
        cluster.sendall(csv_line(now, "/tab\there") + b"\n")
        assert syncer.wait_idle(1)["malformed"] == {}
    assert atime(path) == now


@pytest.mark.usefixtures("rsyslogd_missing")
def test_each_dropped_line_is_counted_by_reason(tmp_path: Path, mount: Path) -> None:
    path = make(mount, "a")
    now = time.time_ns() // 1000 * 1000
    good = csv_line(now, "/a")
    ahead = time.strftime("%b %d %H:%M:%S", time.gmtime(now // SECOND + 4 * 3600)).encode()
    body = good.partition(b" - - - ")[2]
    lines = {
        b"<13>Jan 27 14:12:23 host sshd[12]: Accepted publickey": "malformed_application",
        good.replace(b"qumulo", b"other"): "malformed_application",
        b"no header": "malformed_frame",
        b"<14>%b c-1 qumulo " % ahead + body: "malformed_zone",
        good.replace(b"T", b"t", 1): "malformed_time",
        good[:-9]: "malformed_csv",
        good.replace(b"fs_read_data", b"fs_open"): "operation",
        csv_line(now, "/a", status="fs_access_denied_error"): "status",
        csv_line(now, "/.snapshot/1/a"): "snapshot",
        csv_line(now, ""): "path",
    }
    syncer = Synced(tmp_path, mount=mount)
    with (
        syncer.running(),
        Rsyslogd(tmp_path, syncer.port) as rsyslogd,
        socket.create_connection(("127.0.0.1", rsyslogd.port)) as cluster,
    ):
        cluster.sendall(b"".join(line + b"\n" for line in [*lines, good]))
        facts = syncer.wait_idle(len(lines) + 1)
        port = syncer.settings["metrics_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        wait_for(lambda: atime(path) == now)
    counts = dict(
        re.findall(r'^lockstep_atime_dropped_total\{reason="(\w+)"\} ([0-9]+)\.0$', text, re.M)
    )
    reasons = list(lines.values())
    assert counts == {reason: str(reasons.count(reason)) for reason in reasons}
    assert sum(map(int, counts.values())) + facts["counted"] == facts["lines"]
    assert json.dumps(facts["malformed_lines"]).count("Accepted publickey") == 1


def test_a_line_in_relp_need_not_have_a_header_of_rfc_5424(tmp_path: Path, mount: Path) -> None:
    path = make(mount, "a")
    now = time.time_ns() // SECOND * SECOND
    body = csv_line(now, "/a").partition(b" - - - ")[2]
    stamp = time.strftime("%b %d %H:%M:%S", time.gmtime(now // SECOND)).encode()
    syncer = Synced(tmp_path, mount=mount)
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([b"<14>" + stamp + b" c-1 qumulo: " + body])
        syncer.wait_idle(1)
    assert atime(path) == now
