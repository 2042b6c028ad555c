# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SMB lock modules answer when nothing matches, and when very much does."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator

from .module_runs import Module, module

__all__ = ["module"]

JANE, BOB = "CORP\\jane", "CORP\\bob"


@pytest.fixture
def finance(simulator: Simulator) -> Simulator:
    """Omar has a spreadsheet open, and Bob something else."""
    for path in ("/finance/Budget.xlsx", "/projects/plan.odt"):
        simulator.control("files/put", path=path)
    simulator.control(
        "smb/open", user="CORP\\omar", path="/finance/Budget.xlsx", address="10.1.1.1"
    )
    simulator.control("smb/open", user=BOB, path="/projects/plan.odt", address="10.1.1.2")
    return simulator


@pytest.mark.parametrize("name", ["qumulo_smb_lock_info", "qumulo_smb_lock"])
def test_values_that_name_nothing_are_errors(finance: Simulator, module: Module, name: str) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"directory": "/projcts"},
            "'/projcts' does not exist on the cluster: did you mean '/projects'?",
        ),
        ({"directory": "/Finance"}, "(names are case-sensitive): did you mean '/finance'?"),
        ({"directory": "/qqqqqq"}, "'/qqqqqq' does not exist on the cluster: check the path."),
        ({"directory": ["/finance", "/projcts"]}, "'/projcts' does not exist"),
        ({"directory": "/finance/../projects"}, "contains '..'"),
        ({"path": "/finance/budget.xlsx"}, "did you mean '/finance/Budget.xlsx'?"),
        ({"path": "/Finance/Budget.xlsx"}, "did you mean '/finance/Budget.xlsx'?"),
        ({"user": "omra"}, "The cluster does not know the user 'omra'"),
        ({"user": ["omar", "omra"]}, "The cluster does not know the user 'omra'"),
        ({"user": "CORP\\Omra"}, "The cluster does not know the user 'CORP\\Omra'"),
        ({"node": "192.0.2.77"}, "'192.0.2.77' is not an address of a node of this cluster"),
        ({"node": "node1"}, "'node1' is not an address of a node"),
        ({"file_id": "99999999"}, "'99999999' does not exist"),
        ({"file_id": "/finance"}, "'/finance' is not a file ID"),
    ]
    if name == "qumulo_smb_lock":
        cases.append(
            ({"directory": "/finance", "exclude_users": ["omra"]}, "does not know the user 'omra'")
        )
    done = module(name, *(options for options, _message in cases))
    for (options, message), result in zip(cases, done):
        assert result["failed"] and message in result["msg"], (options, result)
    assert finance.control("state")["handles"] == 2


def test_every_spelling_of_a_directory_finds_its_handles(
    finance: Simulator, module: Module
) -> None:
    done = module(
        "qumulo_smb_lock_info",
        {"directory": "//finance"},
        {"directory": "/finance/."},
        {"directory": "/finance/"},
        {"directory": "/./finance//"},
        {"path": "//finance/./Budget.xlsx"},
        {"client": "::ffff:10.1.1.1"},
        {"client": "::ffff:10.1.1.0/127"},
        {"node": f"::ffff:{finance.addresses[0]}", "user": "omar"},
    )
    assert [result.get("count") for result in done] == [1] * 8, done


def test_what_is_known_and_holds_nothing_matches_nothing(
    finance: Simulator, module: Module
) -> None:
    finance.control("files/put", path="/empty/a")
    cases: list[dict[str, Any]] = [
        {"directory": "/empty"},
        {"path": "/empty/a"},
        {"user": "admin"},
        {"user": "auth_id:500"},
        {"user": "uid:4711"},
        {"user": BOB, "directory": "/finance"},
        {"client": "10.9.9.9"},
        {"node": finance.addresses[-1]},
    ]
    for result in module("qumulo_smb_lock_info", *cases):
        assert result.get("msg") == "No handle matches.", result
        assert "Cannot check" not in result["said"]
    for result in module("qumulo_smb_lock", *cases):
        assert result.get("msg") == "No handle matches; nothing was closed.", result
        assert not result["changed"]


@pytest.fixture
def kinds(finance: Simulator, client: Client) -> dict[str, str]:
    """Return the IDs of a directory with a held file, and of a symlink to it."""
    client.rest.fs.create_symlink(name="link", target="finance", dir_path="/")
    return {path: files.get(client, by_path(path)).id for path in ("/finance", "/link")}


@pytest.mark.parametrize("name", ["qumulo_smb_lock_info", "qumulo_smb_lock"])
def test_objects_of_the_wrong_kind_do_not_reassure(
    finance: Simulator, module: Module, kinds: dict[str, str], name: str
) -> None:
    link = "'/link' is a symlink"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"path": "/link"}, f"{link}: name what it leads to in 'path'"),
        ({"path": ["/finance/Budget.xlsx", "/link"]}, link),
        ({"file_id": kinds["/link"]}, f"'{kinds['/link']}' is a symlink: name what it leads to"),
        ({"directory": "/link"}, f"{link} and not a directory: name what it leads to"),
        ({"directory": "/finance/Budget.xlsx"}, "is a file and not a directory: name a directory"),
        ({"directory": ["/finance", "/projects/plan.odt"]}, "is a file and not a directory"),
    ]
    done = module(name, *(options for options, _message in cases))
    for (options, message), result in zip(cases, done):
        assert result["failed"] and message in result["msg"], (options, result)
    named: list[dict[str, Any]] = [{"path": "/finance"}, {"file_id": kinds["/finance"]}]
    for result in module(name, *named):
        assert result["directories"] == ["/finance"]
        assert "Only /finance itself was looked at" in result["msg"]
        assert "name it in 'directory' instead" in result["said"]
    for result in module(name, {"path": "/"}):
        assert "Only / itself was looked at" in result["msg"], result
    assert finance.control("state")["handles"] == 2


def test_handles_of_a_directory_itself_are_closed(
    finance: Simulator, module: Module, kinds: dict[str, str]
) -> None:
    opened: list[dict[str, Any]] = [{"path": "/finance"}, {"file_id": kinds["/finance"]}]
    for options in opened:
        finance.control("smb/open", user=BOB, path="/finance", access=["read"], deny=[])
        (result,) = module("qumulo_smb_lock", options)
        assert result["totals"]["closed"] == 1 and result["directories"] == ["/finance"], result
        assert "only handles of the directory itself are meant" in result["said"]
    (file,) = module("qumulo_smb_lock", {"path": "/finance/Budget.xlsx"})
    assert file["totals"]["closed"] == 1 and file["directories"] == []


def test_what_cannot_be_checked_is_a_warning(finance: Simulator, module: Module) -> None:
    account = {"username": "helpdesk", "password": finance.password("helpdesk")}
    finance.control("files/put", path="/empty/a")
    finance.control("faults/add", route="identity/find", kind="500", probability=1)
    done = module(
        "qumulo_smb_lock_info",
        {"node": "192.0.2.77", "path": "/empty/a", **account},
        {"user": "omar", "path": "/empty/a", **account},
    )
    for result in done:
        assert result.get("msg") == "No handle matches.", result
        assert "Cannot check whether 192.0.2.77 is an address of a node" in result["said"]
        assert "PRIVILEGE_NETWORK_READ" in result["said"]
        assert "Cannot check whether the user 'omar' exists" in result["said"]


def test_large_lists_are_cut_and_counts_are_not(
    simulator: Simulator, module: Module, tmp_path: Path
) -> None:
    simulator.control("smb/crowd", directory="/crowd", handles=3000, files=40, users=6)
    dest = tmp_path / "handles.jsonl"
    to_dest = {"dest": str(dest), "format": "jsonl"}
    (checked,) = module("qumulo_smb_lock_info", to_dest, flags=["--check"])
    assert checked["changed"] and not dest.exists()
    assert checked["msg"].endswith(f"; all to be listed in {dest}.")
    table = tmp_path / "handles.csv"
    done, few, none, negative, written, again, _table = module(
        "qumulo_smb_lock_info",
        {},
        {"max_results": 2},
        {"max_results": 0},
        {"max_results": -1},
        to_dest,
        to_dest,
        {"dest": str(table)},
    )
    assert len(done["handles"]) == 1000 and done["truncated"] and done["count"] == 3000
    assert sum(done["users"].values()) == 3000 and len(done["users"]) == 6
    assert sum(done["nodes"].values()) >= 3000 and done["totals"]["files"] == 40
    assert sum(done["clients"].values()) >= 3000
    assert few["handles"] == done["handles"][:2] and few["users"] == done["users"]
    assert "; 2 returned." in few["msg"]
    assert none["handles"] == [] and none["count"] == 3000
    assert negative["failed"] and "must be 0 or more" in negative["msg"]

    assert written["changed"] and written["handles"] == [] and not written["truncated"]
    assert written["users"] == done["users"] and written["clients"] == done["clients"]
    assert not again["changed"]
    lines = [json.loads(line) for line in dest.read_text().splitlines()]
    assert len(lines) == 3000 and lines[:1000] == done["handles"]
    assert dest.stat().st_mode & 0o777 == 0o640
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["location"] for row in rows] == [line["location"] for line in lines]
    assert rows[0]["access"] == "; ".join(lines[0]["access"])
    assert table.read_text().splitlines()[0].startswith('"path","file_id"')


def test_what_is_closed_is_cut_and_its_plan_is_not(simulator: Simulator, module: Module) -> None:
    simulator.control("smb/crowd", directory="/crowd", handles=1500, files=40, users=6)
    options = {"directory": "/crowd", "max_close": 1500, "max_results": 5}
    planned, default = module(
        "qumulo_smb_lock", options, {**options, "max_results": 1000}, flags=["--check", "--diff"]
    )
    assert len(planned["closed"]) == 5 and planned["truncated"]
    assert planned["totals"]["closed"] == 1500 and len(planned["plan"]) == 1500
    assert planned["diff"]["before"].endswith("\nand 1495 more\n")
    assert planned["diff"]["before"].count("\n") == 6
    assert len(planned["holders"]) == 6 and planned["holders"][-1].endswith(" more")
    assert planned["msg"].startswith("1500 handles would be closed; work can be lost through ")
    assert len(default["closed"]) == 1000
    (done,) = module("qumulo_smb_lock", {**options, "plan": planned["plan"]})
    assert done["totals"]["closed"] == 1500 and len(done["closed"]) == 5
    assert simulator.control("state")["handles"] == 0
