# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that copies what has changed: what it refuses, and what it never deletes."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from .furnished import environment
from .quick_plays import Played, quick_plays

MARKER = ".lockstep-copy.json"
Copy = Callable[..., Played]


@pytest.fixture
def copy(simulator: Simulator, tmp_path: Path) -> Iterator[Copy]:
    """Runs the playbook with variables that are strings, as those of ``-e`` and of surveys."""
    path = str(ROOT / "playbooks" / "incremental_copy.yml")
    with quick_plays(environment(simulator, tmp_path), tmp_path) as plays:
        yield lambda *options, **variables: plays.run(path, *options, "-e", json.dumps(variables))


def said(done: Played) -> str:
    return " ".join(done.output.split())


def test_wrong_variables_are_named_first(simulator: Simulator, copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to("/")
    with simulator.recorded() as changes:
        missing = copy()
        wrong = copy(
            copy_path="projects",
            copy_mount="mnt",
            copy_dest="backup:/x",
            copy_name="a b",
            copy_list="list",
            copy_check_mount="maybe",
            copy_replace="",
            copy_keep="0",
        )
        whole = copy(copy_path="/p", copy_mount="/", copy_dest=f"{tmp_path}/root/")
        inside = copy(copy_path="/p", copy_mount=str(tmp_path), copy_dest=f"{tmp_path}/x/../y")
        around = copy(copy_path="/p", copy_mount=f"{tmp_path}/x", copy_dest=f"{tmp_path}/")
    assert changes == []
    for done, sentences in (
        (missing, ("copy_path is ''", "copy_mount is ''", "copy_dest is ''")),
        (
            wrong,
            (
                *("copy_path is 'projects'", "copy_mount is 'mnt'", "copy_dest is 'backup:/x'"),
                *("copy_name is 'a b'", "copy_list is 'list'", "copy_check_mount is 'maybe'"),
                *("copy_replace is ''", "copy_keep is '0'"),
            ),
        ),
        (whole, ("copy_mount is '/'", "which is the root directory of this host: set it to a")),
        (inside, ("is copy_mount", "or lies in it")),
        (around, ("lies in copy_dest", "where files are deleted")),
    ):
        assert done.code != 0 and "ok=0 " in done.output, done.output
        for sentence in sentences:
            assert sentence in said(done), done.output


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_nothing_is_deleted_by_mistake(simulator: Simulator, copy: Copy, tmp_path: Path) -> None:
    mount, other, dest = tmp_path / "mount", tmp_path / "other", tmp_path / "dest"
    for folder in (mount, other, dest):
        folder.mkdir()
    (other / "other").touch()
    (dest / "precious").touch()
    for name in ("a", "d/b", "d/c"):
        simulator.control("files/put", path=f"/p/{name}", content="1")
    variables = {"copy_path": "/p", "copy_mount": str(mount), "copy_dest": str(dest)}
    unmounted = copy(**variables)
    assert "is not a mount point: mount copy_path there" in said(unmounted), unmounted.output
    variables["copy_check_mount"] = "false"
    missing = copy(**{**variables, "copy_mount": f"{tmp_path}/none"})
    assert "none is not a directory: mount" in said(missing), missing.output
    for wrong in (mount, other):
        done = copy(**{**variables, "copy_mount": str(wrong)}, copy_replace="true")
        assert "has 0 of the first 4 names" in said(done) and done.code != 0, done.output
    for name in ("a", "d/b", "d/c", ".snapshot/1_old/a", "d/.snapshot/1_old/b"):
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text("1")
    foreign = copy(**variables)
    assert "has other files, and the first copy would delete them" in said(foreign), foreign.output
    assert [path.name for path in dest.iterdir()] == ["precious"]
    first = copy(**variables, copy_replace="true")
    assert first.code == 0, first.output
    found = sorted(str(path.relative_to(dest)) for path in dest.rglob("*"))
    assert found == [".lockstep-copy.json", "a", "d", "d/b", "d/c"]
    private = tmp_path / "state" / "incremental_copy"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    (written,) = private.glob("nightly-copy-*.nul")
    assert stat.S_IMODE(written.stat().st_mode) == 0o640

    # The mount is gone: what is new must not count as copied.
    simulator.control("files/put", path="/p/new", content="1")
    (tmp_path / "gone").mkdir()
    lost = copy(**{**variables, "copy_mount": f"{tmp_path}/gone"})
    assert lost.code != 0 and "it is empty or shows another" in said(lost), lost.output
    (mount / "new").write_text("1")
    second = copy(**variables)
    assert second.code == 0 and (dest / "new").exists(), second.output
    third = copy(**variables)
    assert third.code == 0, third.output
    assert sorted(os.listdir(dest)) == [".lockstep-copy.json", "a", "d", "new"]


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_a_copy_that_is_not_mounted_is_not_continued(
    simulator: Simulator, copy: Copy, client: Client, tmp_path: Path
) -> None:
    mount, dest = tmp_path / "mount", tmp_path / "dest"
    mount.mkdir()
    names = ("a", "b", MARKER)

    def put(*names: str) -> None:
        for name in names:
            simulator.control("files/put", path=f"/p/{name}", content="1")
            (mount / name).write_text("of the cluster")

    put(*names)
    variables = {
        "copy_path": "/p",
        "copy_mount": str(mount),
        "copy_dest": str(dest),
        "copy_check_mount": "false",
    }
    missing = copy(**variables)
    assert "dest does not exist: mount it, or create" in said(missing), missing.output
    dest.mkdir()
    first = copy(**variables)
    assert first.code == 0, first.output
    marker = dest / MARKER
    written = json.loads(marker.read_text())
    assert (written["path"], written["checkpoint"]) == ("/p", "nightly-copy")

    # It is not mounted: the directory is empty.
    put("c")
    away = tmp_path / "away"
    dest.rename(away)
    dest.mkdir()
    with simulator.recorded() as changes:
        for more in ({}, {"copy_adopt": "true"}):
            lost = copy(**variables, **more)
            assert lost.code != 0, lost.output
            assert ("has no marker" if not more else "is empty, so it is not") in said(lost)
    assert changes == [] and not any(dest.iterdir())
    dest.rmdir()
    away.rename(dest)

    # Names like the marker's come and go on the cluster, and the marker stays.
    client.rest.fs.delete(path=f"/p/{MARKER}")
    (mount / MARKER).unlink()
    second = copy(**variables)
    assert second.code == 0, second.output
    assert sorted(os.listdir(dest)) == [MARKER, "a", "b", "c"]
    latest = json.loads(marker.read_text())
    assert latest["before"] == written["snapshot"] < latest["snapshot"]

    # Killed before its commit, the run before has written the marker already.
    ahead = {**latest, "snapshot": 10**9, "before": latest["snapshot"]}
    marker.write_text(json.dumps(ahead))
    put("d")
    third = copy(**variables)
    assert third.code == 0 and (dest / "d").exists(), third.output

    # The copy of an earlier time, of another name, and of an earlier release.
    right = json.loads(marker.read_text())
    with simulator.recorded() as changes:
        for wrong in (written, {**right, "path": "/q"}):
            marker.write_text(json.dumps(wrong))
            done = copy(**variables)
            assert "marker .lockstep-copy.json of another copy" in said(done), done.output
    assert changes == []
    marker.unlink()
    adopted = copy(**variables, copy_adopt="true")
    assert adopted.code == 0 and marker.exists(), adopted.output
    marker.unlink()
    (dest / "a").unlink()
    (dest / "other").touch()
    again = copy(**variables, copy_replace="true")
    assert again.code == 0, again.output
    assert sorted(os.listdir(dest)) == [MARKER, "a", "b", "c", "d"]
    # Nothing else begins in a directory that is a copy already.
    other = copy(**variables, copy_name="other")
    assert "and a first copy would delete it" in said(other), other.output
