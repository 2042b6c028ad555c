# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WORM locks on a simulated cluster."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    file_locks,
    files,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain import (
    file_lock_report,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    FileRef,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_lock_runs import (
    lock,
)
from tests.simulator.harness import Simulator


@pytest.fixture
def tree(simulator: Simulator) -> Simulator:
    for path in ("/t/a.pdf", "/t/b.tmp", "/t/deep/er/c.pdf", "/t/deep/d\n.pdf"):
        simulator.control("files/put", path=path, content="12345")
    return simulator


def refs(names: tuple[str | FileRef, ...]) -> list[FileRef]:
    return [by_path(name) if isinstance(name, str) else name for name in names]


def run(
    client: Client, *names: str | FileRef, check_mode: bool = False, **options: Any
) -> dict[str, Any]:
    request = file_locks.make_request(
        now=client.clock().now(),
        retention=options.pop("retention", None),
        legal_hold=options.pop("legal_hold", None),
        slack=options.pop("slack", "1h"),
        max_retention="1y",
        keep_longer=options.pop("keep_longer", False),
    )
    values: dict[str, Any] = {
        "recurse": False,
        "include": [],
        "exclude": [],
        "workers": 4,
        "max_results": 100,
        **options,
    }
    return lock(client, refs(names), request, check_mode=check_mode, **values)


def state(client: Client, path: str) -> file_locks.LockState:
    return file_locks.LockState.of(files.get(client, by_path(path), lock=True))


def test_create_again_change_again(tree: Simulator, client: Client) -> None:
    with tree.recorded() as seen:
        planned = run(client, "/t/a.pdf", retention="30d", check_mode=True)
    assert planned["changed"] and seen == []
    assert run(client, "/t/a.pdf", retention="30d")["locked"] == 1
    with tree.recorded() as seen:
        assert not run(client, "/t/a.pdf", retention="30d")["changed"]
    assert seen == []
    tree.control("clock/advance", seconds=7200)
    again = client.clone()
    again._clock = None
    assert run(again, "/t/a.pdf", retention="30d")["changed"]
    assert run(client, "/t/a.pdf", legal_hold=True)["changed"]
    assert state(client, "/t/a.pdf").hold
    assert run(client, "/t/a.pdf", legal_hold=False)["changed"]
    assert not run(client, "/t/a.pdf", legal_hold=False)["changed"]
    with pytest.raises(errors.PermissionDeniedError):
        client.rest.fs.delete(path="/t/a.pdf")


def test_one_that_can_not_be_locked_stops_all(tree: Simulator, client: Client) -> None:
    run(client, "/t/a.pdf", retention="30d")
    for bad in ("/t/a.pdf", "/t", "/t/none"):
        with (
            tree.recorded() as seen,
            pytest.raises(errors.ConflictError, match="Nothing was locked") as caught,
        ):
            run(client, "/t/b.tmp", bad, retention="10d")
        assert seen == []
        assert len(caught.value.details["failed_files"]) == 1


def test_a_tree_with_patterns(tree: Simulator, client: Client) -> None:
    client.rest.fs.create_link(name="link.pdf", target="/t/a.pdf", dir_path="/t")
    result = run(client, "/t", recurse=True, exclude=["*.tmp"], retention="30d")
    assert result["locked"] == 3
    assert not state(client, "/t/b.tmp").is_locked(client.clock().now())
    again = run(client, "/t", recurse=True, exclude=["*.tmp"], retention="30d")
    assert again["unchanged"] == 3 and not again["changed"]


@pytest.mark.parametrize("pattern", ["deep", "/t/deep", "t/deep", "d??p"])
def test_an_excluded_directory_is_neither_locked_nor_listed(
    tree: Simulator, client: Client, pattern: str
) -> None:
    result = run(client, "/t", recurse=True, exclude=[pattern], retention="30d")
    assert [each["path"] for each in result["files"]] == ["/t/a.pdf", "/t/b.tmp"]
    assert result["warnings"] == []
    assert not state(client, "/t/deep/er/c.pdf").is_locked(client.clock().now())
    assert show(client, "/t", status="unlocked", exclude=[pattern])["listed"] == 0
    # The named directory does not count for names, and its own path does.
    assert run(client, "/t/deep", recurse=True, exclude=["/t/deep"], retention="30d")["files"] == []
    inside = run(client, "/t/deep", recurse=True, exclude=["deep", "t"], retention="30d")
    assert inside["locked"] == 2


def test_names_in_patterns_that_match_nothing_are_warned_of(
    tree: Simulator, client: Client
) -> None:
    exclude = ["a.pdf", "a.pdf,b.tmp", "[", "/u/x", "*.none", ".DS_Store"]
    for check_mode in (True, False):
        result = run(
            client, "/t", recurse=True, exclude=exclude, legal_hold=True, check_mode=check_mode
        )
        assert result["locked"] == 3
        (warning,) = result["warnings"]
        assert "wildcards 'a.pdf,b.tmp', '[', '/u/x'. Check them" in warning


def test_in_a_tree_one_failure_does_not_stop_the_others(tree: Simulator, client: Client) -> None:
    run(client, "/t/a.pdf", retention="60d")
    with pytest.raises(errors.ConflictError, match="3 others were locked") as caught:
        run(client, "/t", recurse=True, retention="30d")
    assert [f["path"] for f in caught.value.details["failed_files"]] == ["/t/a.pdf"]
    assert not run(client, "/t", recurse=True, retention="30d", keep_longer=True)["changed"]


def test_a_check_run_with_a_failure_locks_nothing(tree: Simulator, client: Client) -> None:
    run(client, "/t/a.pdf", retention="60d")
    with pytest.raises(errors.ConflictError, match="3 others would be locked"):
        run(client, "/t", recurse=True, retention="30d", check_mode=True)
    assert not state(client, "/t/b.tmp").is_locked(client.clock().now())


def test_the_first_files_by_path_are_shown(simulator: Simulator, client: Client) -> None:
    simulator.control("files/bulk", directory="/many", count=60)
    paths = sorted(each.path for each in files.walk(client, [by_path("/many")]) if each.name)
    options = {"recurse": True, "legal_hold": True, "max_results": 25, "workers": 16}
    planned = run(client, "/many", check_mode=True, **options)
    done = run(client, "/many", **options)
    for result in (planned, done):
        assert [each["path"] for each in result["files"]] == paths[:25]
        assert result["truncated"] and result["locked"] == 60
        for side in ("before", "after"):
            lines = result["diff"][side].splitlines()
            assert [line.partition(":")[0] for line in lines] == [*paths[:25], "... and 35 more"]
    whole = run(client, "/many", **{**options, "max_results": 60})
    assert not whole["truncated"] and whole["diff"]["after"] == ""
    none = run(client, "/many", **{**options, "max_results": 0})
    assert none["files"] == [] and none["truncated"]


def test_a_diff_shows_what_changes_behind_files_that_do_not(
    simulator: Simulator, client: Client
) -> None:
    for name in "abc":
        simulator.control("files/put", path=f"/t/{name}")
    run(client, "/t/a", legal_hold=True)
    result = run(client, "/t", recurse=True, legal_hold=True, max_results=1)
    assert [each["path"] for each in result["files"]] == ["/t/a"]
    assert result["diff"]["after"] == "/t/b: under legal hold\n... and 1 more\n"


@pytest.mark.parametrize("recurse", [True, False])
def test_a_path_that_does_not_exist_leads_to_what_is_meant(
    tree: Simulator, client: Client, recurse: bool
) -> None:
    tree.control("files/put", path="/t/Budget 2026.xlsx")
    for given, told in (
        ("/t/A.pdf", "(names are case-sensitive): did you mean '/t/a.pdf'?"),
        ("/t/Budget", "mean '/t/Budget 2026.xlsx'? A path with blanks needs quotes"),
        ("/t/a.pdf,/t/b.tmp", "If several paths are meant, write a list"),
        ("/t/qqqqq", "'/t/qqqqq' does not exist on the cluster: check the path."),
    ):
        with pytest.raises(errors.ConflictError, match=re.escape(told)):
            run(client, given, recurse=recurse, legal_hold=True)
        with pytest.raises(errors.NotFoundError, match=re.escape(told)):
            show(client, given, recurse=recurse)


def test_a_rename_between_seeing_and_locking_changes_nothing(
    tree: Simulator, client: Client
) -> None:
    info = file_locks.read_target(client, by_path("/t/a.pdf"))
    client.rest.fs.rename(name="z.pdf", source="/t/a.pdf", dir_path="/t")
    tree.control("files/put", path="/t/a.pdf", content="another")
    request = file_locks.LockRequest(None, True)
    file_locks.ensure(client, info, request, check_mode=False)
    assert state(client, "/t/z.pdf").hold and not state(client, "/t/a.pdf").hold


def show(client: Client, *names: str | FileRef, **options: Any) -> dict[str, Any]:
    wanted = file_lock_report.Wanted.make(
        now=client.clock().now(),
        status=options.pop("status", "all"),
        before=options.pop("before", None),
        older_than=options.pop("older_than", None),
    )
    values: dict[str, Any] = {
        "recurse": True,
        "include": [],
        "exclude": [],
        "dest": None,
        "form": "csv",
        "workers": 4,
        "max_results": 100,
        "check_mode": False,
        **options,
    }
    return file_lock_report.report(client, refs(names), wanted, **values)


def test_a_report_finds_what_slipped_through(tree: Simulator, client: Client) -> None:
    run(client, "/t/a.pdf", "/t/deep/er/c.pdf", retention="30d")
    run(client, "/t/deep/er/c.pdf", legal_hold=True)
    result = show(client, "/t", status="unlocked", exclude=["*.tmp"])
    assert [f["path"] for f in result["files"]] == ["/t/deep/d\n.pdf"]
    assert result["totals"] == {
        "files": 3,
        "locked": 2,
        "held": 1,
        "expired": 0,
        "unlocked": 1,
        "bytes": 15,
        "unreadable": 0,
    }
    assert show(client, "/t", status="expiring", before="2mo")["listed"] == 1
    assert show(client, "/t", max_results=1)["truncated"]
    assert show(client, "/t/a.pdf", recurse=False)["files"][0]["locked"]


def test_a_report_straight_to_a_file(tree: Simulator, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "report"
    assert show(client, "/t", dest=str(path), check_mode=True)["changed"]
    assert not path.exists()
    assert show(client, "/t", dest=str(path))["listed"] == 4
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["legal_hold"], row["locked"]) for row in rows} == {("false", "false")}
    assert sorted(row["path"] for row in rows)[0] == "/t/a.pdf"
    show(client, "/t", dest=str(path), form="jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["path"] for line in lines} == {row["path"] for row in rows}


def test_the_same_locks_give_the_same_file(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    for number in range(20):
        simulator.control("files/bulk", directory=f"/many/{number}", count=20)
    for form in ("csv", "jsonl"):
        options = {"dest": str(tmp_path / form), "form": form, "workers": 16}
        assert show(client, "/many", **options)["changed"]
        assert not show(client, "/many", **options)["changed"]
    shown = show(client, "/many", max_results=25, workers=16)
    paths = [file["path"] for file in shown["files"]]
    assert shown["truncated"] and shown["listed"] == 400
    lines = (tmp_path / "jsonl").read_text().splitlines()
    assert paths == [json.loads(line)["path"] for line in lines][:25]
    assert show(client, "/many", max_results=0)["listed"] == 400


def test_what_is_named_twice_counts_once(tree: Simulator, client: Client) -> None:
    tree.control("files/put", path="/t-2/e", content="12345")
    top = files.get(client, by_path("/t")).ref
    named = ("/t/deep", "/t/a.pdf", "/t", "/t/", top, "/t/deep/er", "/t-2", "/t/a.pdf")
    assert show(client, *named, exclude=["a.pdf"])["totals"]["files"] == 5
    assert run(client, *named, recurse=True, retention="30d")["locked"] == 5
    assert show(client, "/", status="locked")["listed"] == 5
    assert show(client, "/t", "/")["totals"]["files"] == 5


def test_somebody_has_to_work(tree: Simulator, client: Client) -> None:
    for names in (("/t",), ("/t/a.pdf",)):
        with pytest.raises(errors.InputError, match="workers is 1 or more"):
            show(client, *names, workers=0)
    with pytest.raises(errors.InputError, match="workers is 1 or more"):
        list(files.walk(client, [by_path("/t")], workers=0))


def test_a_directory_that_can_not_be_read_is_counted(
    tree: Simulator, client: Client, settings: Any
) -> None:
    client.rest.fs.set_file_attr(path="/t/deep/er", mode="0700")
    tree.control("users/add", name="auditor", password="x", privileges=[])
    with Client(settings("nobody", username="auditor", password="x")) as auditor:
        result = show(auditor, "/t")
    assert result["totals"]["unreadable"] == 1 and "/t/deep/er" in result["warnings"][0]
    assert result["totals"]["files"] == 3


@pytest.mark.parametrize("kind", ["429", "503", "reset_before", "reset_after", "cut_body"])
def test_with_faults_every_file_is_locked_or_told(
    tree: Simulator, client: Client, kind: str
) -> None:
    tree.control("files/bulk", directory="/many", count=40)
    client.version()
    tree.control("faults/add", route=".", kind=kind, probability=0.2, seed=3, retry_after=0.02)
    result = run(client, "/many", recurse=True, retention="30d", workers=8)
    assert result["locked"] + result["unchanged"] == 40
    tree.control("faults/clear")
    assert show(client, "/many", status="locked")["listed"] == 40
