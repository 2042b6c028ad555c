# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletions in a copy in which something is mounted, in mount namespaces of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import mounts

#: Mounts, removes, and reports what was said and what is left, mounts included.
WORK = """
import json, os, subprocess, sys
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import removal
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import (
    mounts, tree_removal,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
order = json.loads(sys.argv[1])
for command in order["mounts"]:
    subprocess.run(command, check=True, timeout=60)
if order["late"]:
    mounts.below = lambda directory: mounts.Mounts()
for path in order["files"]:
    open(path, "x").close()
said = []
for check_mode in (True, False):
    try:
        removed = removal.apply(order["list"], order["copy"], check_mode=check_mode)
        said.append(f"{removed} removed")
    except InputError as exc:
        said.append(exc.message)
left = sorted(os.path.join(at, name) for at, _d, files in os.walk(order["place"]) for name in files)
print(json.dumps({"said": said, "left": left}))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, timeout=60)
    if done.returncode:
        pytest.skip("only root can make a mount namespace")
    (tmp_path / "copy" / "a" / "m").mkdir(parents=True)
    (tmp_path / "copy" / "a" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "copy" / "a" / "deep" / "er" / "file").touch()
    (tmp_path / "copy" / "a" / "first").touch()
    (tmp_path / "copy" / "b").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    return tmp_path


def remove(
    place: Path,
    names: list[str],
    commands: list[list[str]],
    *,
    files: tuple[str, ...] = (),
    late: bool = False,
    copy: str = "copy",
) -> tuple[list[str], list[str]]:
    """Return what check mode and the real run said, and what is left."""
    path = place / "list"
    path.write_bytes(b"".join(os.fsencode(name) + b"\0" for name in names))
    path.chmod(0o600)
    order = {
        "mounts": commands,
        "files": [str(place / one) for one in files],
        "list": str(path),
        "copy": str(place / copy),
        "place": str(place),
        "late": late,
    }
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", WORK, json.dumps(order)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["said"], [os.path.relpath(one, place) for one in answer["left"]]


def bind(place: Path, source: str, point: str) -> list[str]:
    return ["mount", "--bind", str(place / source), str(place / point)]


def tmpfs(place: Path, point: str) -> list[str]:
    return ["mount", "-t", "tmpfs", "none", str(place / point)]


ALL = ["copy/a/deep/er/file", "copy/a/first", "copy/b", "list", "other/precious"]


def test_a_bind_mount_of_the_same_file_system_is_not_emptied(place: Path) -> None:
    said, left = remove(place, ["b", "a"], [bind(place, "other", "copy/a/m")])
    for one in said:
        assert f"something is mounted on {place}/copy/a/m" in one and "Nothing was deleted" in one
    assert left == sorted([*ALL, "copy/a/m/precious"])


@pytest.mark.parametrize("name", ["a/m/precious", "a/m", "a/m/none", "./a/m/precious"])
def test_no_name_leads_into_a_mounted_file_system(place: Path, name: str) -> None:
    said, left = remove(
        place, ["b", name], [tmpfs(place, "copy/a/m")], files=("copy/a/m/precious",)
    )
    assert all(f"something is mounted on {place}/copy/a/m" in one for one in said), said
    assert left == sorted([*ALL, "copy/a/m/precious"])


def test_nothing_is_deleted_before_a_mount_is_found(place: Path) -> None:
    said, left = remove(place, ["b", "a"], [tmpfs(place, "copy/a/deep/er")])
    assert all(f"something is mounted on {place}/copy/a/deep/er" in one for one in said), said
    assert left == [one for one in ALL if one != "copy/a/deep/er/file"]


def test_a_file_may_be_a_mount_point(place: Path) -> None:
    said, left = remove(place, ["a"], [bind(place, "other/precious", "copy/a/first")])
    assert all(f"something is mounted on {place}/copy/a/first" in one for one in said), said
    assert left == ALL


def test_mount_points_may_have_any_name(place: Path) -> None:
    name = "a b\t\n\\040 ü"
    (place / "copy" / "a" / name).mkdir()
    said, left = remove(place, ["a"], [bind(place, "other", f"copy/a/{name}")])
    assert all(f"something is mounted on {place}/copy/a/{name}" in one for one in said), said
    assert left == sorted([*ALL, f"copy/a/{name}/precious"])


def test_what_was_mounted_later_is_not_entered(place: Path) -> None:
    mounted = [bind(place, "other", "copy/a/m")]
    said, left = remove(place, ["a"], mounted, late=True)
    assert "another file system is mounted in it" in said[1]
    assert "copy/a/m/precious" in left and "other/precious" in left
    said, left = remove(place, ["a/m/precious"], mounted, late=True)
    assert all("another file system is mounted in it" in one for one in said), said
    assert "copy/a/m/precious" in left


def test_mounts_elsewhere_do_not_matter(place: Path) -> None:
    (place / "copy" / "a2").mkdir()
    (place / "link").symlink_to("copy")
    said, _left = remove(place, ["a", "b"], [tmpfs(place, "copy/a2")], copy="link")
    assert said == ["2 removed"] * 2


def test_the_copy_may_be_a_mount_point(place: Path) -> None:
    said, left = remove(place, ["a", "b"], [bind(place, "copy", "copy")])
    assert said == ["2 removed"] * 2
    assert left == ["list", "other/precious"]


def test_a_copy_behind_a_link_is_looked_at_by_its_real_path(place: Path) -> None:
    (place / "link").symlink_to("copy")
    said, _left = remove(place, ["a"], [bind(place, "other", "copy/a/m")], copy="link")
    assert all("something is mounted on" in one for one in said), said


def test_mount_points_are_found_around_a_name() -> None:
    lines = b"".join(
        b"36 35 98:0 /root %s rw,noatime master:1 - ext3 /dev/root rw\n" % point
        for point in (b"/", b"/copy", b"/copy/a/m", b"/copy/x\\040y", b"/copy2/b")
    )
    found = mounts.parse(lines, b"/copy")
    for name in (b"a", b"a/m", b"a/m/f/g"):
        assert found.obstacle(name) == b"a/m"
    assert found.obstacle(b"x y") == b"x y"
    for name in (b"b", b"a/m2", b"a/b", b"m", b"x"):
        assert found.obstacle(name) is None
