# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access-time syncer: from a client that reads to the time that its file then has."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    parse_rfc3339_ns,
)
from tests.simulator.harness import Simulator
from tests.tools.rsyslogd import Rsyslogd
from tests.tools.services import wait_for

from .synced import Sender, Synced, csv_line, json_line

OLD, NEW = 1_600_000_000_123456789, 1_700_000_000_987654000
SECOND = 1_000_000_000


@contextmanager
def tmpfs(path: Path, options: str = "mode=755") -> Iterator[Path]:
    """A file system of its own, for the time of a block."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        unmount(path)


def unmount(path: Path) -> None:
    """Take a mount away, whoever has something open in it."""
    subprocess.run(["umount", "-l", str(path)], capture_output=True, check=False)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A directory that stands for the mount of a cluster."""
    with tmpfs(tmp_path / "mount") as path:
        yield path


@pytest.fixture
def through_mount(tmp_path: Path, mount: Path) -> Synced:
    """A syncer of that mount."""
    return Synced(tmp_path, mount=mount)


@pytest.fixture
def through_api(tmp_path: Path, simulator: Simulator) -> Synced:
    """A syncer of the simulated cluster."""
    return Synced(tmp_path, simulator=simulator)


@pytest.fixture
def reader(simulator: Simulator, settings: Callable[..., Settings]) -> Iterator[Client]:
    """Another account that reads files."""
    simulator.control("users/add", name="reader", password="Reader123!")
    with Client(settings(username="reader", password="Reader123!")) as client:
        yield client


def make(root: Path, name: str) -> Path:
    """A file that was last used long ago."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, ns=(OLD, OLD))
    return path


def atime(path: Path) -> int:
    return os.stat(path, follow_symlinks=False).st_atime_ns


def put(simulator: Simulator, client: Client, path: str, time_ns: int = OLD) -> str:
    """A file of the cluster that was last used long ago; its ID."""
    file_id = str(simulator.control("files/put", path=path, content="x")["id"])
    stamp = f"2020-09-13T12:26:40.{time_ns % SECOND:09d}Z"
    client.rest.fs.set_file_attr(id_=file_id, access_time=stamp)
    return file_id


def cluster_atime(client: Client, file: str) -> int:
    ref = by_path(file) if file.startswith("/") else by_id(file)
    return parse_rfc3339_ns(files.get(client, ref).access_time)


def cluster_time(simulator: Simulator) -> int:
    """The time of the cluster as its audit lines have it: to the microsecond."""
    return parse_rfc3339_ns(simulator.control("state")["time"]) // 1000 * 1000


def read(client: Client, path: str) -> None:
    """Read a file, as people do."""
    client.rest.fs.read_file(path=path, file_=io.BytesIO())


@contextmanager
def audit_log(simulator: Simulator, client: Client, port: int, form: str) -> Iterator[None]:
    """The cluster's audit log goes to a port of this host."""
    config = {"enabled": True, "server_address": "127.0.0.1", "server_port": port, "format": form}
    client.rest.request("PATCH", "/v1/audit/syslog/config", body=config)
    simulator.wait(lambda state: state["audit"] == "AUDIT_LOG_CONNECTED")
    yield
    client.rest.request("PATCH", "/v1/audit/syslog/config", body={"enabled": False})


# -- the closed loop ----------------------------------------------------------------------------

NAMES = ["/d/a", '/d/with, comma and "quotes"', "/d/\u00e4\U0001f512 ' \\ x", "/.hidden/b"]


@pytest.mark.usefixtures("rsyslogd_missing")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_a_client_reads_has_its_time(
    tmp_path: Path, simulator: Simulator, client: Client, reader: Client, form: str
) -> None:
    syncer = Synced(tmp_path, simulator=simulator)
    ids = {name: put(simulator, client, name) for name in NAMES}
    put(simulator, client, "/d/not-read")
    with syncer.running(), Rsyslogd(tmp_path, syncer.port) as rsyslogd:
        with audit_log(simulator, client, rsyslogd.port, form):
            began = cluster_time(simulator)
            for name in NAMES:
                read(reader, name)
            list(files.entries(reader, files.get(reader, by_path("/d")).ref))
            ended = cluster_time(simulator)
            wait_for(lambda: all(cluster_atime(client, i) >= began for i in ids.values()))
            wait_for(lambda: cluster_atime(client, "/d") >= began)
        facts = syncer.wait_idle()
    for name in [*NAMES, "/d"]:
        assert began <= cluster_atime(client, name) <= ended
    assert cluster_atime(client, "/d/not-read") == OLD
    assert facts["malformed"] == {}


@pytest.mark.usefixtures("rsyslogd_missing")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_through_a_mount_as_well(
    tmp_path: Path, mount: Path, simulator: Simulator, client: Client, reader: Client, form: str
) -> None:
    syncer = Synced(tmp_path, mount=mount)
    syncer.settings["mount"]["export"] = "/exported"
    syncer.write()
    for name in NAMES:
        put(simulator, client, "/exported" + name)
        make(mount, name[1:])
    put(simulator, client, "/elsewhere/d/a")
    with syncer.running(), Rsyslogd(tmp_path, syncer.port) as rsyslogd:
        with audit_log(simulator, client, rsyslogd.port, form):
            began = cluster_time(simulator)
            read(reader, "/elsewhere/d/a")
            for name in NAMES:
                read(reader, f"/exported{name}")
            ended = cluster_time(simulator)
            wait_for(lambda: all(atime(mount / name[1:]) >= began for name in NAMES))
        facts = syncer.wait_idle()
    for name in NAMES:
        found = os.stat(mount / name[1:])
        assert began <= found.st_atime_ns <= ended
        assert found.st_mtime_ns == OLD
    assert facts["skipped"]["outside"] == 1


def test_what_the_own_account_does_never_counts(
    through_api: Synced, simulator: Simulator, client: Client
) -> None:
    file_id = put(simulator, client, "/a")
    with through_api.running(), Sender(through_api.port) as sender:
        sender.put([csv_line(NEW, "/a", file_id=file_id, user="admin")])
        sender.put([csv_line(NEW, "/a", file_id=file_id, user="ADMIN")])
        facts = through_api.wait_idle(2)
    assert facts["skipped"] == {"reader": 2}
    assert cluster_atime(client, "/a") == OLD


def test_an_account_that_only_has_a_token_is_asked_for(
    tmp_path: Path, simulator: Simulator, client: Client
) -> None:
    syncer = Synced(tmp_path, simulator=simulator)
    token, _generation = client.token()
    (tmp_path / "token").write_text(token)
    cluster = syncer.settings["cluster"]
    del cluster["username"], cluster["password_file"]
    cluster["access_token_file"] = str(tmp_path / "token")
    syncer.write()
    file_id = put(simulator, client, "/a")
    with syncer.running():
        wait_for(lambda: syncer.facts()["findings"])
    with syncer.running(), Sender(syncer.port) as sender:  # and is known from the start then
        sender.put([csv_line(NEW, "/a", file_id=file_id, user="admin")])
        assert syncer.wait_idle(1)["skipped"] == {"reader": 1}


def nfs(line: bytes) -> bytes:
    """The same line over NFS."""
    return line.replace(b",smb2,", b",nfs3,")


def test_a_uid_is_not_an_auth_id(through_api: Synced, simulator: Simulator, client: Client) -> None:
    """The number of the own auth ID is the UID of somebody else over NFS."""
    own = str(client.who_am_i()["id"])
    file_id = put(simulator, client, "/a")
    with through_api.running(), Sender(through_api.port) as sender:
        wait_for(lambda: through_api.facts()["findings"])
        sender.put([nfs(csv_line(NEW, "/a", file_id=file_id, user=own))])
        facts = through_api.wait_idle(1)
    assert (facts["skipped"], facts["counted"]) == ({}, 1)
    assert cluster_atime(client, "/a") == NEW


def test_readers_by_the_kind_of_their_name(tmp_path: Path, mount: Path) -> None:
    users = ["uid:1000", "ad:scanner", "auth_id:7"]
    syncer = Synced(tmp_path, mount=mount, ignore={"users": users, "protocols": ["s3"]})
    path = make(mount, "a")
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([nfs(csv_line(NEW + SECOND, "/a", user="1000"))])
        sender.put([csv_line(NEW + SECOND, "/a", user="CORP\\Scanner")])
        sender.put([csv_line(NEW, "/a", user="1000")])
        facts = syncer.wait_idle(3)
        assert facts["skipped"] == {"reader": 2}
        assert [text.split("'")[1] for text in facts["warnings"]] == ["auth_id:7"]
        assert "The user 'auth_id:7' matches few lines" in syncer.command("status").stdout
        sender.put([json_line(NEW + SECOND, "/a")])  # this form has auth IDs, and this one is 7
        assert syncer.wait_idle(4)["skipped"] == {"reader": 3}
    assert atime(path) == NEW


# -- times --------------------------------------------------------------------------------------


def test_the_newest_time_wins_in_any_order(through_mount: Synced, mount: Path) -> None:
    path = make(mount, "a")
    with through_mount.running(), Sender(through_mount.port) as sender:
        for seconds in (3, 1, 9, 2, 8):
            sender.put([csv_line(NEW + seconds * SECOND, "/a"), csv_line(NEW, "/a")])
            through_mount.wait_idle()
    assert atime(path) == NEW + 9 * SECOND
    assert os.stat(path).st_mtime_ns == OLD


def test_clocks_that_are_ahead_and_behind(through_mount: Synced, mount: Path) -> None:
    behind, ahead, far = (make(mount, name) for name in ("behind", "ahead", "far"))
    now = time.time_ns()
    with through_mount.running(), Sender(through_mount.port) as sender:
        sender.put(
            [
                csv_line(now - 7200 * SECOND, "/behind"),
                csv_line(now + 7200 * SECOND, "/ahead"),
                csv_line(now + 200_000 * SECOND, "/far"),
                csv_line(OLD - SECOND, "/far"),
            ]
        )
        facts = through_mount.wait_idle(4)
    assert atime(behind) == now - 7200 * SECOND
    assert atime(ahead) == now + 7200 * SECOND
    assert now <= atime(far) <= time.time_ns()
    assert facts["clamped"] == 1


@pytest.mark.usefixtures("rsyslogd_missing")
def test_the_cluster_s_clock_counts(
    through_api: Synced, tmp_path: Path, simulator: Simulator, client: Client, reader: Client
) -> None:
    put(simulator, client, "/a")
    simulator.control("clock/skew", seconds=-86400 * 3)
    with (
        through_api.running(),
        Rsyslogd(tmp_path, through_api.port) as rsyslogd,
        audit_log(simulator, client, rsyslogd.port, "csv"),
    ):
        began = cluster_time(simulator)
        read(reader, "/a")
        ended = cluster_time(simulator)
        wait_for(lambda: cluster_atime(client, "/a") >= began)
    assert began <= cluster_atime(client, "/a") <= ended < time.time_ns() - 86400 * SECOND


def test_a_time_that_is_hardly_newer_is_not_written(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount, granularity=60)
    path = make(mount, "a")
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([csv_line(OLD + 59 * SECOND, "/a")])
        syncer.wait_idle(1)
        assert atime(path) == OLD
        sender.put([csv_line(NEW, "/a")])
        syncer.wait_idle(2)
        sender.put([csv_line(NEW + 59 * SECOND, "/a")])
        facts = syncer.wait_idle(3)
        assert atime(path) == NEW
        assert facts["files"] == {"fresh": 1, "set": 1}
        assert facts["coalesced"] == 1


#: From a public report; more than 64 bits.
LARGE_ID = "140624751830626345080086044861"


def test_a_large_file_id_is_an_id(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount)
    path = make(mount, "data/file.txt")
    line = (
        b"<14>1 2026-01-27T14:12:23.9558Z cs-fil-q-k144-1 qumulo - - - 10.220.151.129,"
        b'"admin",smb2,fs_read_data,ok,' + LARGE_ID.encode() + b',"/data/file.txt",""'
    )
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([line, json_line(NEW, "/data/file.txt", file_id=LARGE_ID)])
        facts = syncer.wait_idle(2)
    assert (facts["malformed"], facts["counted"]) == ({}, 2)
    assert atime(path) == 1_769_523_143_955_800_000


def test_a_large_file_id_is_asked_for(through_api: Synced, simulator: Simulator) -> None:
    with through_api.running(), Sender(through_api.port) as sender:
        sender.put([csv_line(NEW, "/x", file_id=LARGE_ID)])
        assert through_api.wait_idle(1)["files"] == {"gone": 1}
        asked = simulator.control("requests", since=0)["requests"]
    assert any(LARGE_ID in entry["uri"] for entry in asked)


def test_another_file_of_the_same_name_has_a_time_of_its_own(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount, granularity="1d")
    path, other = make(mount, "a"), make(mount, "b")
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/a", file_id="1")])
        wait_for(lambda: syncer.facts()["files"] == {"set": 1})
        other.rename(path)
        assert atime(path) == OLD
        sender.put([csv_line(NEW + SECOND, "/a", file_id="2")])
        wait_for(lambda: atime(path) == NEW + SECOND)


def test_uses_within_a_window_are_one(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount, window="1h")
    path = make(mount, "a")
    with syncer.running() as process, Sender(syncer.port) as sender:
        for seconds in range(5):
            sender.put([csv_line(NEW + seconds * SECOND, "/a")] * 100)
        assert syncer.facts()["coalesced"] == 499
        assert (syncer.facts()["waiting"], atime(path)) == (1, OLD)
        syncer.settings["window"] = 0
        syncer.write()
        process.signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in process.output())
        sender.put([csv_line(NEW + 4 * SECOND, "/a")])  # what has waited is due with it
        syncer.wait_idle(501)
    assert atime(path) == NEW + 4 * SECOND


# -- names --------------------------------------------------------------------------------------


def test_no_name_leads_out(tmp_path: Path, through_mount: Synced, mount: Path) -> None:
    outside = make(tmp_path / "outside", "f")
    os.utime(outside.parent, ns=(OLD, OLD))
    odd = [make(mount, name) for name in ("line\nbreak", "quote\"'", "tab\t", "..dots", " ")]
    undecodable = os.fsencode(mount) + b"/\xff\xfe"
    Path(os.fsdecode(undecodable)).write_text("x")
    os.utime(undecodable, ns=(OLD, OLD))
    make(mount, "deep/er/f")
    (mount / "file").symlink_to(outside)
    (mount / "dir").symlink_to(outside.parent)
    (mount / "deep" / "dir").symlink_to("../../outside")
    (mount / "deep" / "swapped").mkdir()
    make(mount, "deep/swapped/f")
    os.rename(mount / "deep" / "swapped", mount / "deep" / "real")
    stop = threading.Event()

    def swap() -> None:
        name, real = mount / "deep" / "swapped", mount / "deep" / "real"
        while not stop.is_set():
            name.symlink_to(outside.parent)
            name.unlink()
            os.rename(real, name)
            os.rename(name, real)

    swapping = threading.Thread(target=swap)
    swapping.start()
    above = "../" * 20
    hostile = [
        f"/../{outside}",
        f"/{above}{outside}",
        f"//{outside}",
        str(outside),
        f"/deep/../../outside/{outside.name}",
        "/dir/f",
        "/deep/dir/f",
        "/file/",
        "/dir/",
        "/proc/self/root" + str(outside),
        "/deep/er/f/../../../../outside/f",
        "/nul\0byte",
    ]
    try:
        with through_mount.running(), Sender(through_mount.port) as sender:
            lines = [csv_line(NEW, name) for name in hostile]
            lines += [json_line(NEW, "/" + path.name) for path in odd]
            lines += [csv_line(NEW, "/\udcff\udcfe")]
            for turn in range(200):
                sender.put([csv_line(NEW + turn, "/deep/swapped/f")])
            sender.put(lines)
            facts = through_mount.wait_idle(200 + len(lines))
    finally:
        stop.set()
        swapping.join()
    assert atime(outside) == atime(outside.parent) == OLD
    assert all(atime(path) == NEW for path in odd)
    assert os.stat(undecodable).st_atime_ns == NEW
    assert facts["files"]["refused"] >= 8
    assert facts["malformed"] == {}


# -- what goes wrong ----------------------------------------------------------------------------


def test_what_is_gone_or_locked_is_done(
    through_api: Synced, simulator: Simulator, client: Client
) -> None:
    gone, locked, fine = (put(simulator, client, f"/{name}") for name in ("gone", "locked", "fine"))
    client.rest.fs.delete(path="/gone")
    client.rest.request("PATCH", f"/v1/files/{locked}/file-lock", body={"legal_hold": True})
    with through_api.running(), Sender(through_api.port) as sender:
        sender.put([csv_line(NEW, f"/{i}", file_id=i) for i in (gone, locked, fine, "999999999")])
        facts = through_api.wait_idle(4)
    assert facts["files"] == {"gone": 2, "denied": 1, "set": 1}
    assert facts["given_up"] == 0
    assert cluster_atime(client, "/fine") == NEW
    assert cluster_atime(client, "/locked") == OLD


def test_what_fails_is_left_to_people(tmp_path: Path, simulator: Simulator, client: Client) -> None:
    syncer = Synced(tmp_path, simulator=simulator, max_attempts=1)
    bad, good = put(simulator, client, "/bad"), put(simulator, client, "/good")
    simulator.control("faults/add", route=f"PATCH.*/{bad}/", kind="500")
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/bad", file_id=bad), csv_line(NEW, "/good", file_id=good)])
        wait_for(lambda: syncer.facts()["given_up"] == 1)
        wait_for(lambda: cluster_atime(client, good) == NEW)
        shown = json.loads(syncer.command("failed", "--json").stdout)
        assert (shown["file"], shown["path"], shown["attempts"]) == (bad, "/bad", 1)
        assert f"{bad}  /bad: " in syncer.command("failed").stdout
        simulator.control("faults/clear")
        assert syncer.command("retry").returncode == 2
        assert syncer.command("retry", "12345").returncode == 1
        assert "1 will be tried again" in syncer.command("retry", bad).stdout
        wait_for(lambda: cluster_atime(client, bad) == NEW)
        assert "Nothing has failed" in syncer.command("failed").stdout


def test_a_cluster_that_is_away_keeps_the_queue(
    through_api: Synced, simulator: Simulator, client: Client
) -> None:
    ids = [put(simulator, client, f"/{number}") for number in range(50)]
    with through_api.running() as process, Sender(through_api.port) as sender:
        simulator.control("faults/add", route="PATCH", kind="503")
        sender.put([csv_line(NEW, "/x", file_id=file_id) for file_id in ids])
        wait_for(lambda: process.status.startswith("stopped: 50 waiting"))
        assert "too busy" in through_api.facts()["message"]
        simulator.control("faults/clear")
        through_api.wait_idle()
        wait_for(lambda: process.status.startswith("idle"))
    assert all(cluster_atime(client, file_id) == NEW for file_id in ids)


def test_the_mount_goes_away_and_comes_back(tmp_path: Path, through_mount: Synced) -> None:
    mount = tmp_path / "mount"
    make(mount, "a")
    with through_mount.running() as process, Sender(through_mount.port) as sender:
        sender.put([csv_line(NEW, "/a")])
        through_mount.wait_idle(1)
        unmount(mount)
        below = make(mount, "a")  # what the mount had hidden
        # Until it is seen, times still reach the file system that was mounted.
        wait_for(lambda: process.status.startswith("stopped: 0 waiting"))
        sender.put([csv_line(NEW + 1, "/a")])
        wait_for(lambda: process.status.startswith("stopped: 1 waiting"))
        assert str(mount) in process.status
        assert process.output().count("mount the cluster there") <= 2  # not each time it looks
        with tmpfs(mount):
            path = make(mount, "a")
            wait_for(lambda: atime(path) == NEW + 1)
            wait_for(lambda: process.status.startswith("idle: 0 waiting"))
        assert atime(below) == OLD


def test_a_mount_of_another_type_is_not_touched(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount)
    syncer.settings["mount"]["types"] = ["nfs", "nfs4"]
    syncer.write()
    path = make(mount, "a")
    with syncer.running() as process, Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/a")])
        wait_for(lambda: "is a mount of type tmpfs, not nfs or nfs4" in process.status)
    assert atime(path) == OLD


def test_when_the_spool_is_full_rsyslog_keeps_the_lines(tmp_path: Path) -> None:
    syncer = Synced(tmp_path, mount=tmp_path / "mount", max_files=1000)
    with syncer.running() as process, Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, f"/{number}") for number in range(1000)])
        last = sender.send([csv_line(NEW, "/one-more")])
        wait_for(lambda: "no line is taken: The spool" in process.status)
        more = sender.send([csv_line(NEW, f"/more-{number}") for number in range(500)])
        assert syncer.facts()["lines"] == 1000
        with Sender(syncer.port) as impatient:  # rsyslog gives up a connection, and sends again
            impatient.send([csv_line(NEW, "/one-more")])
        wait_for(lambda: syncer.facts()["connections"] == 1)
        with tmpfs(tmp_path / "mount"):
            paths = [make(tmp_path / "mount", f"more-{number}") for number in range(500)]
            sender.wait(last)
            sender.wait(more)
            facts = syncer.wait_idle(1501)
            assert all(atime(path) == NEW for path in paths)
        assert facts["taking"] is True
        assert process.output().count("Nothing more is taken from rsyslog") == 1


def test_more_files_at_once_than_there_is_room_for(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount, max_files=1000)
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, f"/{'x' * 100}{number}") for number in range(3000)])
        assert syncer.wait_idle(3000)["files"] == {"gone": 3000}


def test_a_full_disk(tmp_path: Path, mount: Path) -> None:
    with tmpfs(tmp_path / "disk", "size=2m,mode=755") as disk:
        syncer = Synced(tmp_path, mount=mount, window="1h", spool=str(disk / "spool.db"))
        names = [f"{number:05d}{'x' * 200}" for number in range(4000)]
        with syncer.running() as process, Sender(syncer.port) as sender:
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * (1 << 20))
            last = sender.send([csv_line(NEW, f"/{name}") for name in names])
            wait_for(lambda: "the disk is full" in process.status)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            sender.wait(last)
            assert syncer.facts()["waiting"] == 4000


def test_lines_that_are_none_are_shown(through_mount: Synced, mount: Path) -> None:
    path = make(mount, "a")
    with through_mount.running(), Sender(through_mount.port) as sender:
        sender.put([b"\x1b[2Jnot a line", csv_line(NEW, "/a"), csv_line(NEW, "/a")[:-9]])
        facts = through_mount.wait_idle(3)
        shown = through_mount.command("status").stdout
    assert facts["malformed"] == {"frame": 1, "csv": 1}
    assert "not a line" in shown and "\x1b" not in shown
    assert atime(path) == NEW


def test_who_does_not_speak_relp_is_let_go(through_mount: Synced, mount: Path) -> None:
    path = make(mount, "a")
    with through_mount.running() as process:
        with Sender(through_mount.port) as sender:
            sender.put([csv_line(NEW, "/a")])
            sender.send_raw(b"what?\n")
            with pytest.raises(ConnectionError):
                sender.read()
        through_mount.wait_idle(1)
        wait_for(lambda: "no RELP frame" in process.output())
        assert process.running
    assert atime(path) == NEW


# -- operation ----------------------------------------------------------------------------------


def test_it_stops_and_a_second_one_is_refused(through_mount: Synced) -> None:
    with through_mount.running() as process, Sender(through_mount.port):
        second = through_mount.command()
        assert second.returncode == 3
        assert f"process {process.pid} since" in second.stderr
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert process.heard("STOPPING=1")


def test_only_loopback_is_listened_on(through_mount: Synced) -> None:
    with through_mount.running() as process:
        ports = {through_mount.port, through_mount.settings["metrics_port"]}
        assert set(process.listening()) == {("127.0.0.1", port) for port in ports}
        wait_for(lambda: process.count("WATCHDOG=1") > 1)


def test_a_reload_keeps_the_connection(through_mount: Synced, mount: Path) -> None:
    path = make(mount, "a")
    with through_mount.running() as process, Sender(through_mount.port) as sender:
        through_mount.settings["ignore"] = {"users": ["AD\\ann"]}
        through_mount.settings["max_files"] = 5000
        through_mount.write()
        process.signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in process.output())
        assert "'max_files' has changed, and counts after a restart" in process.output()
        sender.put([csv_line(NEW, "/a")])
        assert through_mount.wait_idle(1)["skipped"] == {"reader": 1}
        through_mount.config.write_text("set: 7\n")
        process.signal(signal.SIGHUP)
        wait_for(lambda: "left as it was" in process.output())
        sender.put([csv_line(NEW, "/a", user="bob")])
        wait_for(lambda: atime(path) == NEW)


@pytest.mark.parametrize("changed", ["set", "export"])
def test_a_reload_lets_no_line_go_by_what_counts_after_a_restart(
    tmp_path: Path, through_mount: Synced, mount: Path, changed: str
) -> None:
    path = make(mount, "a")
    with through_mount.running() as process, Sender(through_mount.port) as sender:
        if changed == "set":
            (tmp_path / "token").write_text("x")
            del through_mount.settings["mount"]
            through_mount.settings["set"] = "api"
            through_mount.settings["cluster"] = {
                "host": "127.0.0.1",
                "access_token_file": str(tmp_path / "token"),
            }
        else:
            through_mount.settings["mount"]["export"] = "/b"
        through_mount.write()
        process.signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in process.output())
        assert "and counts after a restart" in process.output()
        sender.put([csv_line(NEW, "/a", file_id="5")])
        wait_for(lambda: atime(path) == NEW)


def test_the_cluster_s_settings_are_looked_at(
    through_api: Synced, simulator: Simulator, client: Client
) -> None:
    settings = {"enabled": True, "granularity": "HOUR"}
    client.rest.request("PATCH", "/v1/file-system/settings/atime", body=settings)
    with through_api.running() as process:
        wait_for(lambda: "audit log: it is switched off" in process.output())
        wait_for(lambda: "the cluster writes them itself" in process.output())
        wait_for(lambda: through_api.facts()["findings"])
        assert "audit log: it is switched off" in through_api.command("status").stdout


def test_a_spool_of_another_way_is_refused(tmp_path: Path, simulator: Simulator) -> None:
    syncer = Synced(tmp_path, mount=tmp_path)
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/a")])
    other = Synced(tmp_path, simulator=simulator)
    done = other.command()
    assert done.returncode == 1
    assert "holds 1 files to be set with 'set: mount'" in done.stderr


def test_metrics(through_mount: Synced, mount: Path) -> None:
    make(mount, "a")
    with through_mount.running(), Sender(through_mount.port) as sender:
        sender.put([csv_line(NEW, "/a"), csv_line(NEW, "/b"), csv_line(NEW, "/.snapshot/a")])
        through_mount.wait_idle(3)
        port = through_mount.settings["metrics_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    for line in (
        "lockstep_atime_lines_total 3.0",
        'lockstep_atime_operations_total{operation="fs_read_data"} 3.0',
        'lockstep_atime_skipped_total{reason="snapshot"} 1.0',
        'lockstep_atime_files_total{outcome="set"} 1.0',
        'lockstep_atime_files_total{outcome="gone"} 1.0',
        "lockstep_atime_waiting 0.0",
        "lockstep_atime_taking 1.0",
    ):
        assert line in text.splitlines()


def test_no_line_takes_away_the_metrics(through_mount: Synced, mount: Path) -> None:
    """Whoever sends a line chooses its words: they may be no text, very long, or very many."""
    path = make(mount, "a")
    odd = ["fs_\udcff", "x" * 60_000, 'fs_"\n', "\0", *(f"op{number}" for number in range(300))]
    with through_mount.running(), Sender(through_mount.port) as sender:
        sender.put([csv_line(NEW, "/a", operation=text) for text in odd])
        sender.put([csv_line(NEW, "/a", status=text) for text in odd[:4]])
        sender.put([csv_line(NEW, "/a")])
        wait_for(lambda: atime(path) == NEW)
        address = f"http://127.0.0.1:{through_mount.settings['metrics_port']}/metrics"
        with urllib.request.urlopen(address, timeout=60) as response:
            text = response.read().decode()
    assert 'lockstep_atime_operations_total{operation="fs_read_data"} 4.0' in text
    found = re.findall(r'lockstep_atime_operations_total\{operation="(.*?)"\}', text)
    assert len(found) <= 102 and "other" in found and max(map(len, found)) <= 64


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"set": "api"}, "name the cluster"),
        ({"listen": {"address": "0.0.0.0"}}, "only loopback addresses"),
        ({"listen": {"address": "here"}}, "only loopback addresses"),
        ({"mount": None}, "'mount.path' is missing"),
        ({"mount": {"path": "mnt"}}, "must begin with a slash"),
        ({"operations": []}, "No operation counts"),
        ({"operations": ["fs_raed_data"]}, "did you mean 'fs_read_data'?"),
        ({"operations": ["rest_login"]}, "has no file"),
        ({"ignore": {"protocols": ["nsf"]}}, "did you mean 'nfs'?"),
        ({"ignore": {"users": ["uid:ann"]}}, "uid takes a number"),
        ({"audit_format": "xml"}, "must be one of csv, json"),
        ({"ignore": {"networks": ["10.0.0.1/8"]}}, "neither an address nor a network"),
        ({"exclude": {"prefixes": ["tmp"]}}, "no directory of the cluster"),
        ({"windows": "5s"}, "did you mean 'window'"),
    ],
)
def test_a_configuration_that_makes_no_sense(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    syncer = Synced(tmp_path, mount=tmp_path)
    syncer.settings.update(change)
    syncer.write()
    for arguments in (["--check"], []):
        done = syncer.command(*arguments)
        assert done.returncode == 2
        assert told in done.stderr


def test_a_check_warns_of_what_hardly_matches(tmp_path: Path) -> None:
    syncer = Synced(
        tmp_path, mount=tmp_path, audit_format="csv", ignore={"users": ["sid:S-1-5-21-7"]}
    )
    done = syncer.command("--check")
    assert done.returncode == 0
    assert "Warning: The user 'sid:S-1-5-21-7' matches few lines or none" in done.stdout


def test_a_check_says_what_counts(tmp_path: Path) -> None:
    syncer = Synced(
        tmp_path,
        mount=tmp_path,
        window="5s",
        include={"prefixes": ["/projects"]},
        exclude={"globs": ["*.tmp"]},
        ignore={"users": ["AD\\scanner"], "networks": ["10.9.0.0/16"]},
    )
    done = syncer.command("--check")
    assert done.returncode == 0
    assert "fs_read_data, fs_list_directory, fs_read_link" in done.stdout
    assert "of what is below /projects; not of what is *.tmp" in done.stdout
    assert "not by user AD\\scanner, client 10.9.0.0/16" in done.stdout
    assert f"through the mount of / on {tmp_path} (tmpfs)" in done.stdout
