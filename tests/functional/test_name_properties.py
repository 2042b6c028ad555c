# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of all options that take names: whatever a name contains, it names one thing.

Beside each name lie the names that it could be taken for: its parts between commas, the same
letters composed in another way, the name without blanks at its ends, and numbers that are IDs.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils import _module
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator

from .module_calls import Call, call

__all__ = ["call"]

Run = Callable[..., "dict[str, Any]"]
#: What something on the way could take apart, expand, evaluate or cut off.
TRICKY = (
    *("2", "2,3", "a,b", ",", "a, b", "-rf", "--", "{{ 1 + 1 }}", "{% raw %}", "{{", "[1, 2]"),
    *("{'a': 1}", "a\nb", "a\r", "\n", "a:b", "a ", " a", "a.", "...", "'a'", '"a"', "$HOME", "~"),
    *("*", "a?", "[a]", "[!a]", "**", "\\", "a\\b", "%2F", "a#b", "a&b", "yes", "null", "1.10"),
    *("é", "e\N{COMBINING ACUTE ACCENT}", "\N{LINE SEPARATOR}", "ß", "SS", "!unsafe", "!vault"),
)
_LETTERS = "ab2,.-_ {}%'\"\\*?[]!:\n$é\N{COMBINING ACUTE ACCENT}#~"
NAMES = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.sampled_from(_LETTERS), min_size=1, max_size=8),
    st.tuples(st.sampled_from(TRICKY), st.sampled_from(TRICKY)).map(",".join),
).filter(lambda name: name not in (".", ".."))
QUICK = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_numbers = itertools.count(1)


def neighbors(name: str) -> set[str]:
    """Names that are not this one, and that it could be taken for."""
    found = {
        *name.split(","),
        *(part.strip() for part in name.split(",")),
        *name.splitlines(),
        name.strip(),
        name.rstrip(". "),
        name.strip("'\""),
        name.casefold(),
        name.replace("\\", ""),
        *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")),
        *("2", "3", "a", "other"),
    }
    return {each for each in found if each not in ("", ".", "..", name) and "/" not in each}


def escaped(name: str) -> str:
    """The pattern that only this name matches."""
    return re.sub(r"[*?[]", r"[\g<0>]", name)


@pytest.fixture
def run(simulator: Simulator, call: Call) -> Run:
    """Calls a module against the simulator; returns what it returns."""

    def make(module: str, **options: Any) -> dict[str, Any]:
        connection = {
            "host": simulator.addresses,
            "port": simulator.port,
            "username": "admin",
            "password": simulator.password(),
            "ca_path": simulator.ca_file,
        }
        result = call(module, **connection, **options)
        assert not result.get("failed"), result
        return result

    return make


def furnish(simulator: Simulator, name: str, inside: str = "") -> str:
    """A new directory with the name and its neighbors, as files, or as directories of a file."""
    directory = f"/t{next(_numbers)}"
    for each in sorted({name, *neighbors(name)}):
        simulator.control("files/put", path=f"{directory}/{each}{inside}", content="1")
    return directory


def held(client: Client, directory: str = "/") -> set[str]:
    """Paths below a directory that are under legal hold, and none is so outside of it."""
    found = set()
    for info in files.walk(client, [by_path(directory)]):
        if info.type == files.FILE:
            lock = files.get(client, info.ref, lock=True).lock
            if lock is not None and lock["legal_hold"]:
                found.add(info.path)
    return found


# -- qumulo_file_lock, qumulo_file_lock_info ----------------------------------------------------


@QUICK
@given(name=NAMES, as_list=st.booleans())
@example(name="2,3", as_list=False)
def test_a_path_locks_one_file(
    simulator: Simulator, client: Client, run: Run, name: str, as_list: bool
) -> None:
    directory = furnish(simulator, name)
    path = f"{directory}/{name}"
    assert run("qumulo_file_lock", path=[path] if as_list else path, legal_hold=True)["locked"] == 1
    assert held(client, directory) == {path}
    shown = run("qumulo_file_lock_info", path=[path] if as_list else path)
    assert [(file["path"], file["legal_hold"]) for file in shown["files"]] == [(path, True)]


@QUICK
@given(name=NAMES)
def test_a_file_id_locks_one_file(
    simulator: Simulator, client: Client, run: Run, name: str
) -> None:
    directory = furnish(simulator, name)
    path = f"{directory}/{name}"
    file_id = files.get(client, by_path(path)).id
    run("qumulo_file_lock", file_id=file_id, legal_hold=True)
    assert held(client, directory) == {path}
    assert run("qumulo_file_lock_info", file_id=int(file_id))["files"][0]["path"] == path


@QUICK
@given(name=NAMES)
@example(name="Smith,2")
def test_a_directory_locks_what_is_in_it(
    simulator: Simulator, client: Client, run: Run, name: str
) -> None:
    directory = furnish(simulator, name, inside="/file")
    run("qumulo_file_lock", path=f"{directory}/{name}", recurse=True, legal_hold=True)
    assert held(client, directory) == {f"{directory}/{name}/file"}
    shown = run("qumulo_file_lock_info", path=f"{directory}/{name}", recurse=True)
    assert [file["path"] for file in shown["files"]] == [f"{directory}/{name}/file"]


@QUICK
@given(name=NAMES)
@example(name="b,1")
def test_patterns_mean_one_name(simulator: Simulator, client: Client, run: Run, name: str) -> None:
    directory = furnish(simulator, name)
    everything = {f"{directory}/{each}" for each in (name, *neighbors(name))}
    common = {"path": directory, "recurse": True}
    for option, expected in (("include", {f"{directory}/{name}"}), ("exclude", None)):
        wanted = expected or everything - {f"{directory}/{name}"}
        shown = run("qumulo_file_lock_info", **common, **{option: escaped(name)})
        assert {file["path"] for file in shown["files"]} == wanted
    run("qumulo_file_lock", **common, include=escaped(name), legal_hold=True)
    assert held(client, directory) == {f"{directory}/{name}"}
    run("qumulo_file_lock", **common, exclude=escaped(name), legal_hold=True)
    assert held(client, directory) == everything


# -- qumulo_smb_lock, qumulo_smb_lock_info ------------------------------------------------------


@QUICK
@given(name=NAMES, option=st.sampled_from(["path", "glob", "directory", "file_id", "plan"]))
@example(name="Budget, 2026", option="glob")
def test_a_name_closes_its_handles_only(
    simulator: Simulator, client: Client, run: Run, name: str, option: str
) -> None:
    simulator.control("smb/clear")
    inside = "/file" if option == "directory" else ""
    directory = furnish(simulator, name, inside)
    opened = {}
    for each in (name, *neighbors(name)):
        path = f"{directory}/{each}{inside}"
        made = simulator.control("smb/open", user="CORP\\jane", path=path)
        opened[path] = made["locations"][0]
    path = f"{directory}/{name}{inside}"
    value = {
        "path": path,
        "directory": f"{directory}/{name}",
        "glob": escaped(name),
        "file_id": files.get(client, by_path(path)).id,
        "plan": path,
    }[option]
    chosen = {"path" if option == "plan" else option: value}
    shown = run("qumulo_smb_lock_info", **chosen)
    assert [handle["path"] for handle in shown["handles"]] == [path]
    if option == "plan":
        chosen["plan"] = opened[path]
    assert [handle["path"] for handle in run("qumulo_smb_lock", **chosen)["closed"]] == [path]
    assert simulator.control("state")["handles"] == len(opened) - 1


@QUICK
@given(name=NAMES, spare=st.booleans())
@example(name="Smith, omar", spare=True)
def test_a_user_is_one_user(simulator: Simulator, run: Run, name: str, spare: bool) -> None:
    # A number, a kind with a colon, and a domain mean something in front of a name.
    assume(name == name.strip() and not re.search(r"^\w+:|^S-1-|[\\@]", name, re.IGNORECASE))
    assume(not name.isdigit())
    simulator.control("smb/clear")
    number = next(_numbers)
    # Names of users that differ in case only are the same user.
    others = {each.lower(): each for each in neighbors(name) if each == each.strip()}
    users = {*others.values(), name} - {others.get(name.lower())} | {name}
    simulator.control("files/put", path=f"/users{number}", content="1")
    for user in sorted(users):
        simulator.control("smb/open", user=user, path=f"/users{number}")
    options = {"path": f"/users{number}", "exclude_users" if spare else "user": name}
    closed = {handle["user"] for handle in run("qumulo_smb_lock", **options)["closed"]}
    assert closed == (users - {name} if spare else {name})


# -- snapshots and change lists -----------------------------------------------------------------


@QUICK
@given(name=NAMES)
def test_a_snapshot_name_is_one_name(
    simulator: Simulator, client: Client, run: Run, name: str
) -> None:
    directory = furnish(simulator, name, inside="/file")
    path = f"{directory}/{name}"
    source = files.get(client, by_path(path)).id
    for each in neighbors(name):
        client.rest.snapshot.create_snapshot(name=each, source_file_id=source)
    first = run("qumulo_snapshot", name=name, path=path)
    assert first["changed"] and not run("qumulo_snapshot", name=name, path=path)["changed"]
    found = run("qumulo_snapshot_info", name=f"*_{escaped(name)}", path=path)["snapshots"]
    assert first["snapshot"]["snapshot_id"] in {each["snapshot_id"] for each in found}
    assert {each["suffix"] for each in found} <= {
        each for each in (name, *neighbors(name)) if each == name or each.endswith(f"_{name}")
    }
    gone = run("qumulo_snapshot", name=name, path=path, state="absent")["deleted"]
    assert [each["snapshot_id"] for each in gone] == [first["snapshot"]["snapshot_id"]]
    for each in run("qumulo_snapshot_info", path=path)["snapshots"]:
        run("qumulo_snapshot", state="absent", snapshot_id=each["snapshot_id"])


@QUICK
@given(name=NAMES)
def test_a_change_list_names_what_has_changed(
    simulator: Simulator,
    client: Client,
    run: Run,
    tmp_path: Path,
    name: str,
) -> None:
    number = next(_numbers)
    directory = f"/c{number}/{name}"
    simulator.control("files/put", path=f"{directory}/before", content="1")
    source = files.get(client, by_path(directory)).id
    taken = []
    for each in (name, f"{name} later"):
        made = client.rest.snapshot.create_snapshot(name=each, source_file_id=source)
        taken.append(int(made["id"]))
        simulator.control("files/put", path=f"{directory}/{name}", content="1")
    dest = tmp_path / f"list {number}, 2"
    options = {
        "dest": str(dest),
        "older": f"{taken[0]}_{name}",
        "newer": f"{taken[1]}_{name} later",
    }
    run("qumulo_changelist", **options)
    entries = [json.loads(line) for line in dest.read_text().splitlines()]
    assert [(entry["op"], entry["path"]) for entry in entries] == [("create", name)]
    for snapshot_id in taken:
        run("qumulo_snapshot", state="absent", snapshot_id=snapshot_id)


def test_a_module_that_cannot_keep_names_whole_does_nothing(
    simulator: Simulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a release of Ansible that reads the parameters in another way."""
    monkeypatch.setattr(_module.QumuloModule, "_load_params", basic.AnsibleModule._load_params)
    with simulator.recorded(changes=False) as requests:
        result = call("qumulo_file_lock", host="127.0.0.1", path="/a,b", legal_hold=True)
    assert result["failed"] and requests == []
    assert result["msg"].startswith("This release of ansible-core splits names at commas")


def test_no_name_is_evaluated(simulator: Simulator, client: Client, run: Run) -> None:
    """What comes back is what is there, character by character."""
    for name in TRICKY:
        simulator.control("files/put", path=f"/back/{name}", content="1")
    shown = run("qumulo_file_lock_info", path="/back", recurse=True)["files"]
    assert sorted(file["path"] for file in shown) == sorted(f"/back/{name}" for name in TRICKY)
