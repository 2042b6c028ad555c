# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that README shows, run as a person runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.tree import ROOT, linked_tree

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Play:
    kept = clean_environment()
    environment = {
        **kept,
        **simulator.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_NOCOLOR": "true",
        "STATE_DIRECTORY": str(tmp_path_factory.mktemp("state")),
    }

    def run(name: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        # Of the implicit localhost only this variable chooses the interpreter of modules.
        python = os.environ.get("LOCKSTEP_HOST_PYTHON", sys.executable)
        given = json.dumps({"ansible_python_interpreter": python, **variables})
        command = [str(Path(sys.executable).parent / "ansible-playbook"), *options]
        command += [str(ROOT / "playbooks" / f"{name}.yml"), "-e", given]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def test_a_finished_project_is_locked(simulator: Simulator, client: Client, play: Play) -> None:
    for name in ("a.pdf", "deep/b.pdf", "c.tmp"):
        simulator.control("files/put", path=f"/p,1/{name}")
    simulator.control("files/put", path="/p/untouched")
    variables = {"project": "/p,1", "project_retention": "2y", "project_max_retention": "2y"}
    with simulator.recorded() as changes:
        checked = play("lock_finished_project", "--check", **variables)
    assert checked.returncode == 0 and changes == [], checked.stdout
    assert "2 files below /p,1 would be retained until" in checked.stdout
    assert "(2 would change)" in checked.stdout
    done = play("lock_finished_project", **variables)
    assert "2 files below /p,1 are retained until" in done.stdout, done.stdout
    again = play("lock_finished_project", **variables)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    for path, locked in (("/p,1/a.pdf", True), ("/p,1/c.tmp", False), ("/p/untouched", False)):
        lock = files.get(client, by_path(path), lock=True).lock
        assert lock is not None and bool(lock["retention_period"]) is locked


def test_a_project_can_be_a_single_file(simulator: Simulator, play: Play) -> None:
    simulator.control("files/put", path="/p/a.pdf")
    done = play("lock_finished_project", project="/p/a.pdf", project_retention="30d")
    assert '"/p/a.pdf is retained until' in done.stdout, done.stdout


def test_an_excluded_directory_of_a_project_is_not_locked(
    simulator: Simulator, client: Client, play: Play
) -> None:
    for path in ("/proj/cache/a.bin", "/proj/cache/x/y", "/proj/b.pdf"):
        simulator.control("files/put", path=path)
    done = play(
        "lock_finished_project",
        project="/proj",
        project_retention="30d",
        project_exclude="cache\nproj\nnowhere",
    )
    assert done.returncode == 0, done.stdout
    assert "1 file below /proj is retained" in done.stdout
    assert "patterns without wildcards 'proj', 'nowhere'" in " ".join(done.stderr.split())
    for path, locked in (("/proj/cache/a.bin", False), ("/proj/b.pdf", True)):
        lock = files.get(client, by_path(path), lock=True).lock
        assert lock is not None and bool(lock["retention_period"]) is locked


@pytest.mark.parametrize("quoted", [True, False])
def test_a_finished_project_is_locked_until_a_date(
    simulator: Simulator, play: Play, tmp_path: Path, quoted: bool
) -> None:
    simulator.control("files/put", path="/p/a.pdf")
    day = (datetime.now(timezone.utc) + timedelta(days=200)).date().isoformat()
    variables = tmp_path / "variables.yml"
    text = f"'{day}'" if quoted else day
    variables.write_text(f"project: /p\nproject_retention: {text}\n", encoding="utf-8")
    done = play("lock_finished_project", "-e", f"@{variables}")
    assert f"1 file below /p is retained until {day}T23:59:59Z" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "project is missing: set it to the directory of the project"),
        ({"project": "p"}, "project is 'p', which is not an absolute path"),
        ({"project": ["/p"]}, "which is not an absolute path"),
        ({"project": "/"}, "project is '/', which is the whole cluster"),
        ({"project": "//./"}, "project is '//./', which is the whole cluster"),
        ({"project_retention": None}, "project_retention is missing"),
        ({"project_retention": " "}, "project_retention is missing"),
        ({"project_retention": "6m"}, "write 6min for minutes or 6mo for months"),
        ({"project_retention": "2y"}, "set project_max_retention to a longer span"),
        ({"project_retention": "30"}, "neither a span"),
        ({"project_max_retention": "2031-01-01"}, "which is not a span"),
        ({"project_max_retention": ""}, "which is not a span"),
        ({"project_exclude": [5]}, "project_exclude must be a list of patterns"),
        ({"project_exclude": "*"}, "No file below /p is to be locked"),
    ],
)
def test_a_project_that_is_not_meant_is_not_locked(
    simulator: Simulator, play: Play, variables: dict[str, Any], told: str
) -> None:
    simulator.control("files/put", path="/p/a.pdf")
    given = {} if not variables else {"project": "/p", "project_retention": "30d", **variables}
    with simulator.recorded() as changes:
        done = play("lock_finished_project", **given)
    assert done.returncode != 0 and changes == []
    assert told in " ".join(done.stdout.split()), done.stdout


@pytest.mark.parametrize("expiration", ["2099-12-31", "never", "45d"])
def test_a_quarantine_lasts_as_long_as_it_is_meant_to(
    simulator: Simulator, client: Client, play: Play, expiration: str
) -> None:
    simulator.control("files/put", path="/p/a")
    variables = {"quarantine_directory": "/p", "quarantine_expiration": expiration}
    for _time in range(2):
        done = play("quarantine", **variables)
        assert done.returncode == 0, done.stdout
        # The second run is content with the snapshot of the first, which is older.
        (snapshot,) = snapshots.list_all(client)
        taken = snapshot.render()["timestamp"]
        told = " ".join(done.stdout.split())
        assert f"Snapshot {snapshot.name} holds /p as it was at {taken}." in told
    assert "changed=0" in done.stdout
    wanted = {"2099-12-31": "2099-12-31T23:59:59Z", "never": "never"}
    assert snapshot.render()["expiration"] == wanted.get(
        expiration, snapshot.render()["expiration"]
    )
    if expiration == "45d":
        assert snapshot.expires is not None
        assert abs(snapshot.expires - snapshot.taken - timedelta(days=45)) < timedelta(minutes=5)


def test_a_check_run_goes_through_and_changes_nothing(
    simulator: Simulator, play: Play, tmp_path: Path
) -> None:
    simulator.control("files/put", path="/p/a")
    listed: dict[str, Any] = {"changes_path": "/p", "changes_directory": str(tmp_path)}
    assert play("list_changes", **listed).returncode == 0
    before = set(tmp_path.iterdir())
    plays: list[tuple[str, dict[str, Any]]] = [
        ("list_changes", listed),
        ("quarantine", {"quarantine_directory": "/p", "quarantine_files": [{"path": "/p/a"}]}),
    ]
    with simulator.recorded() as changes:
        for name, variables in plays:
            done = play(name, "--check", **variables)
            assert done.returncode == 0, done.stdout
    assert changes == [] and set(tmp_path.iterdir()) == before


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_what_has_changed_is_copied(simulator: Simulator, play: Play, tmp_path: Path) -> None:
    mount, copy = tmp_path / "mount", tmp_path / "copy"
    copy.mkdir()

    def put(name: str, content: str) -> None:
        simulator.control("files/put", path=f"/p/{name}", content=content)
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(content)

    def run(*options: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return play(
            "incremental_copy",
            *options,
            copy_path="/p",
            copy_mount=str(mount),
            copy_dest=str(copy),
            copy_list=str(tmp_path / "list"),
            **more,
        )

    put("kept", "1")
    put("gone/x", "1")
    refused = run()
    assert refused.returncode != 0 and not any(copy.iterdir())
    first = run(copy_check_mount=False)
    assert first.returncode == 0, first.stdout
    assert (copy / "gone/x").read_text() == "1"
    put("kept", "22")
    put("new/y", "3")
    shutil.rmtree(mount / "gone")
    from qumulo.rest_client import RestClient

    rest = RestClient(simulator.addresses[0], simulator.port, timeout=120)
    rest.login("admin", simulator.password())
    rest.fs.delete(path="/p/gone/x")
    rest.fs.delete(path="/p/gone")
    second = run(copy_check_mount=False)
    assert second.returncode == 0, second.stdout
    (copy / ".lockstep-copy.json").unlink()
    found = {str(p.relative_to(copy)): p.read_text() for p in copy.rglob("*") if p.is_file()}
    assert found == {"kept": "22", "new/y": "3"}
    assert not (copy / "gone").exists()
    checked = run("--check", copy_check_mount=False, copy_adopt=True)
    assert checked.returncode == 0, checked.stdout
    assert len(rest.snapshot.list_snapshots()["entries"]) == 1


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_a_report_is_made(simulator: Simulator, play: Play, tmp_path: Path) -> None:
    options = {"copy_path": "/p", "copy_mount": "/nowhere", "copy_dest": "/nowhere"}
    simulator.control("files/put", path="/p/a", content="1")
    # What fails comes again.
    failed = play("incremental_copy", **options)
    assert failed.returncode != 0
    mount, copy = tmp_path / "mount", tmp_path / "copy"
    mount.mkdir()
    copy.mkdir()
    for number in range(2):
        simulator.control("files/put", path=f"/p/new{number}", content="1")
        (mount / f"new{number}").write_text("1")
        done = play(
            "incremental_copy",
            copy_path="/p",
            copy_mount=str(mount),
            copy_dest=str(copy),
            copy_list=str(tmp_path / "list"),
            copy_check_mount=False,
            copy_keep=4,
        )
        assert done.returncode == 0, done.stdout
    page = tmp_path / "page.html"
    done = play(
        "changelist_report",
        report_checkpoint="nightly-copy",
        report_path="/p",
        report_dest=str(page),
    )
    assert done.returncode == 0, done.stdout
    assert f"{page} shows 1 new" in " ".join(done.stdout.split())
    assert "<svg" in page.read_text()


def test_changes_are_handed_over(simulator: Simulator, play: Play, tmp_path: Path) -> None:
    simulator.control("files/put", path="/p/a", content="1")
    config = tmp_path / "services.conf"
    config.write_text(
        f"[General]\nFastScanWorkFolder={tmp_path}\nQumuloClusterIP={simulator.addresses[0]}\n"
        f"QumuloClusterPort={simulator.port}\nQumuloUsername=admin\n"
        f"QumuloPassword={simulator.password()}\n"
    )
    options = {
        "sdna_project": "{1-2}",
        "sdna_path": "/p",
        "sdna_config": str(config),
        "sdna_ca_path": simulator.ca_file,
        "sdna_collections": str(linked_tree()),
    }
    done = play("storagedna_handover", **options)
    assert done.returncode == 0, done.stdout
    assert 'name="a"' in (tmp_path / "sdna-scan-files/{1-2}/1-files.xml").read_text()
    assert play("storagedna_handover", sdna_state="committed", **options).returncode == 0
    failed = play("storagedna_handover", **{**options, "sdna_config": "/none"})
    assert failed.returncode != 0 and "(exit code 23)" in failed.stdout


def test_a_quarantine_holds_all_that_it_can_before_it_fails(
    simulator: Simulator, client: Client, play: Play
) -> None:
    for path in ("/p/a", "/p/b", "/p/d/x"):
        simulator.control("files/put", path=path)
    known = {path: files.get(client, by_path(path)).id for path in ("/p/b", "/p/d")}
    done = play(
        "quarantine",
        quarantine_directory="/renamed",
        quarantine_files="/p/a\n/p/gone",
        quarantine_ids=[known["/p/d"], known["/p/b"]],
    )
    told = " ".join(done.stdout.split())
    assert done.returncode != 0
    for path in ("/p/a", "/p/b"):
        lock = files.get(client, by_path(path), lock=True).lock
        assert lock is not None and lock["legal_hold"], done.stdout
    assert "There is no snapshot. 2 suspected files are under legal hold" in told, done.stdout
    assert "These were gone: /p/gone" in told
    assert "No snapshot of /renamed was taken" in told
    assert f"1 of the suspected files are not under legal hold: {known['/p/d']}." in told


def test_a_directory_for_lists_that_exists_is_not_changed(
    simulator: Simulator, play: Play, tmp_path: Path
) -> None:
    simulator.control("files/put", path="/p/a")
    place = tmp_path / "lists"
    place.mkdir()
    place.chmod(0o1777)
    done = play(
        "search_index",
        search_path="/p",
        search_url="https://127.0.0.1:1/files",
        search_directory=str(place),
    )
    assert done.returncode != 0 and place.stat().st_mode & 0o7777 == 0o1777
    assert "has mode 1777, so others can write to it" in " ".join(done.stdout.split()), done.stdout


@pytest.mark.parametrize(
    ("playbook", "variables", "told"),
    [
        (
            "list_changes",
            {"changes_path": "/p", "changes_name": None},
            "changes_name is '",
        ),
        (
            "search_index",
            {"search_path": "/p", "search_url": "http://127.0.0.1:1/f", "search_name": None},
            "search_name is '",
        ),
        (
            "incremental_copy",
            {"copy_path": "/p", "copy_mount": "/m", "copy_dest": "/c", "copy_name": None},
            "copy_name is '",
        ),
    ],
)
def test_a_name_that_is_null_is_refused(
    simulator: Simulator, play: Play, playbook: str, variables: dict[str, Any], told: str
) -> None:
    with simulator.recorded() as changes:
        done = play(playbook, **variables)
    assert done.returncode != 0 and changes == []
    assert told in done.stdout and "ok=0 " in done.stdout, done.stdout
