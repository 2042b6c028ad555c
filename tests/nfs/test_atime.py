# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role atime through a real NFS mount: of the kernel's own client, on a host with systemd."""

from __future__ import annotations

from decimal import Decimal

from tests.tools.services import wait_for

from .host import BEFORE_NS, DEFAULTS, MOUNT, Host
from .image import GATEWAY

#: How the kernel names what the role asks for.
SHOWN = {"nfsvers=3": "vers=3", "tcp": "proto=tcp"}


def test_applied_again_it_changes_nothing(host: Host) -> None:
    host.have()
    assert host.apply() == 0


def test_the_mount_is_as_the_role_asks(host: Host) -> None:
    host.have()
    found = host.mounted()
    assert found is not None
    assert (found.source, found.fstype) == (f"{GATEWAY}:/export", "nfs")
    asked = DEFAULTS["atime_mount_options"].split(",")
    assert {"hard", "noac", "lookupcache=none"} <= {*asked}
    kernel = {SHOWN.get(option, option) for option in asked if option != "bg"}
    assert kernel <= found.options
    assert "rw" in found.options


def test_times_are_as_the_cluster_told(host: Host) -> None:
    host.have()
    used = host.files("told", 20)
    unused = host.files("not told", 1)[0]
    host.read_by_somebody(used)
    host.wait_used(used)
    host.wait_status(waiting=0, given_up=0)
    told = host.told()
    for path in used:
        found = host.on_server(path).stat()
        assert found.st_atime_ns == told[path]
        assert found.st_mtime_ns == BEFORE_NS
    assert host.access_time(unused) == BEFORE_NS
    # The host itself sees the same at once: it remembers nothing.
    seen = tuple(str(Decimal(number).scaleb(-9)) for number in (told[used[0]], BEFORE_NS))
    assert host.seen_in_guest(used[0]) == seen


def test_the_server_decides_whose_times_may_be_set(host: Host) -> None:
    host.have()
    others = host.files("of another", 1, owner=20018)
    own = host.files("own", 1)
    before = host.status()["files"]
    host.read_by_somebody([*others, "/own/gone", *own])
    host.wait_used(own)
    files = host.wait_status(waiting=0, given_up=0)["files"]
    assert host.access_time(others[0]) == BEFORE_NS
    counts = {name: files.get(name, 0) - before.get(name, 0) for name in ("denied", "gone", "set")}
    assert counts == {"denied": 1, "gone": 1, "set": 1}


def test_what_has_taken_a_files_place_gets_the_time(host: Host) -> None:
    host.have()
    first = host.files("project", 1)[0]
    host.read_by_somebody([first])
    host.wait_used([first])
    (host.exported / "project").rename(host.exported / "project of old")
    second = host.files("project", 1)[0]
    # For a second a directory is taken for what it was; from then on only the new one gets times.
    host.read_until_used(second)
    assert host.on_server(second).stat().st_mtime_ns == BEFORE_NS
    moved_at = host.access_time("/project of old/file 0")
    third = host.files("project", 2)[1]
    host.read_by_somebody([third])
    host.wait_used([third])
    assert host.access_time("/project of old/file 0") == moved_at


def test_a_server_that_was_away_gets_all_times(host: Host) -> None:
    host.have()
    paths = host.files("away", 50)
    restarts = host.unit("NRestarts")
    with host.server.away():
        host.read_by_somebody(paths)
        host.wait_status(waiting=len(paths), given_up=0)
        assert host.unit("ActiveState") == "active"
    host.wait_used(paths)
    found = host.wait_status(waiting=0, given_up=0)
    assert not set(found["files"]) & {"failed", "refused"}
    assert host.unit("NRestarts") == restarts
    told = host.told()
    assert {path: host.access_time(path) for path in paths} == {path: told[path] for path in paths}


def test_the_service_ends_and_begins_anew_though_the_server_hangs(host: Host) -> None:
    host.have()
    paths = host.files("hanging", 5)
    with host.server.hanging():
        host.read_by_somebody(paths)
        host.wait_status(waiting=len(paths))
        before = host.unit("MainPID")
        # That it is ready is not waited for: the sandbox is laid around the mount, which hangs.
        host.guest.run("systemctl restart --no-block lockstep-atime.service")
        wait_for(lambda: host.unit("MainPID") != before)
    host.wait_used(paths)
    host.wait_status(waiting=0, given_up=0)
    assert host.unit("ActiveState") == "active"
    assert host.unit("MainPID") != before


def test_a_host_that_boots_before_the_server_is_back(host: Host) -> None:
    host.have()
    paths = host.files("boot", 5)
    with host.server.away():
        host.read_by_somebody(paths)
        host.wait_status(waiting=len(paths))
        host.guest.lose_power()
        # It takes lines, though there is nothing yet to set times on.
        found = host.wait_status(state="stopped", waiting=len(paths), given_up=0)
        assert "mount the cluster there" in found["message"]
    host.wait_used(paths)
    host.wait_status(waiting=0, given_up=0)
    assert host.mounted() is not None
    host.read_until_used(host.files("after boot", 1)[0])


def test_a_soft_mount_loses_nothing_either(host: Host) -> None:
    options = DEFAULTS["atime_mount_options"].replace("hard", "soft") + ",timeo=10,retrans=1"
    host.have(atime_mount_options=host.options(options))
    found = host.mounted()
    assert found is not None
    assert "soft" in found.options
    paths = host.files("soft", 50)
    with host.server.away():
        host.read_by_somebody(paths)
        stopped = host.wait_status(state="stopped", waiting=len(paths), given_up=0)
        assert "does not answer" in stopped["message"] or "mount" in stopped["message"]
    host.wait_used(paths)
    host.wait_status(waiting=0, given_up=0)
    told = host.told()
    assert {path: host.access_time(path) for path in paths} == {path: told[path] for path in paths}


def test_removed_it_leaves_no_mount(host: Host) -> None:
    host.have_any()
    kept = host.files("kept", 1)[0]
    host.apply(atime_state="absent", atime_purge=True)
    assert host.mounted() is None
    assert MOUNT not in host.guest.run("cat /etc/fstab")
    assert host.guest.run(f"ls -d {MOUNT} /opt/lockstep/atime 2>/dev/null || true") == ""
    # It fails if it finds none.
    assert host.guest.try_run("systemctl list-unit-files 'lockstep*' --no-legend").stdout == ""
    assert host.on_server(kept).read_text(encoding="utf-8") == kept
