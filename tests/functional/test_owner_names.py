# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of owners and groups in change lists."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    owner_names,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.entries import (  # noqa: E501
    Attributes,
    Entry,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator

JANE = "Smith, omar {{ 1 }}"


@pytest.fixture
def newest(simulator: Simulator, client: Client) -> Iterator[snapshots.Snapshot]:
    """Files of a user with an unusual name, of admin, and of an ID that nobody has."""
    body = {"name": JANE, "primary_group": "513", "uid": "4711"}
    jane = client.rest.request("POST", "/v1/users/", body=body)
    for name, owner in (("hers", jane["id"]), ("mine", None), ("unknown", "999999")):
        simulator.control("files/put", path=f"/p/{name}", content="1")
        if owner is not None:
            uri = f"/v1/files/{files.get(client, by_path(f'/p/{name}')).id}/info/attributes"
            client.rest.request("PATCH", uri, body={"owner": owner})
    made = client.rest.snapshot.create_snapshot(
        name="s", source_file_id=files.get(client, by_path("/p")).id
    )
    yield snapshots.get(client, int(made["id"]))


def write(client: Client, newest: snapshots.Snapshot, dest: Path, form: str, **more: Any) -> None:
    options = {"attributes": "api", "owner_names": True, **more}
    build(client, newest, None, Order(str(dest), form, **options), check_mode=False)


def named(form: str, path: Path) -> dict[str, dict[str, Any]]:
    """Rows of a list by path."""
    if form == "csv":
        with path.open(newline="") as lines:
            rows: list[dict[str, Any]] = list(csv.DictReader(lines))
    elif form == "parquet":
        pyarrow = pytest.importorskip("pyarrow.parquet")
        columns = ["path", "owner", "owner_name", "group_name"]
        rows = pyarrow.read_table(path, columns=columns).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["path"]: row for row in rows if "path" in row}


@pytest.mark.parametrize("form", ["jsonl", "csv", "bulk", "parquet"])
def test_names_stand_beside_ids(
    client: Client, newest: snapshots.Snapshot, tmp_path: Path, form: str
) -> None:
    write(client, newest, tmp_path / "l", form)
    rows = named(form, tmp_path / "l")
    nothing = "" if form == "csv" else None
    assert rows["hers"]["owner_name"] == JANE
    assert rows["mine"]["owner_name"] == "admin" and rows["mine"]["owner"] == "500"
    assert rows["unknown"]["owner_name"] == nothing and rows["unknown"]["owner"] == "999999"
    assert "group_name" in rows["mine"]
    write(client, newest, tmp_path / "l", form, owner_names=False)
    row = named(form, tmp_path / "l")["hers"]
    assert row.get("owner_name") is None


def test_owners_of_a_mount_are_found_by_their_numbers(
    client: Client, newest: snapshots.Snapshot, tmp_path: Path
) -> None:
    """A UID is no auth ID: the auth ID 500 is the administrator's."""
    mount = tmp_path / "mount"
    mount.mkdir()
    for name in ("hers", "mine", "unknown"):
        (mount / name).write_text("1")
    options = {"attributes": "mount", "map_to": str(mount)}
    write(client, newest, tmp_path / "l", "jsonl", **options)
    rows = named("jsonl", tmp_path / "l")
    assert rows["hers"]["owner"] == str(os.getuid())
    names = owner_names.OwnerNames(client, by_number=True)
    (entry,) = names.add([Entry("create", "/p/x", False, _attributes("4711", "500"))])
    assert entry.attributes is not None and entry.attributes.names == (JANE, "gid:500")


def _attributes(owner: str, group: str) -> Attributes:
    return Attributes("file", 1, 0, 0, 0, owner, group, None, None, "0644", 1, None)


def test_each_identity_is_looked_up_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    find = owner_names._find
    monkeypatch.setattr(owner_names, "_find", lambda own, key: asked.append(key) or find(own, key))
    names = owner_names.OwnerNames(client, limit=6)
    block = [
        Entry("create", f"/p/{number}", False, _attributes("500", "513")) for number in range(100)
    ]
    for _time in range(3):
        names.add(block)
    assert len(asked) == 2
    # Memory is bounded, and what is forgotten is asked for again.
    for number in range(20):
        names.add([Entry("create", "/p/x", False, _attributes(str(700 + number), "513"))])
        assert len(names._known) <= 6
    found = names.add(block)
    assert all(e.attributes is not None and e.attributes.names for e in found)


@pytest.mark.parametrize(
    ("form", "attributes", "said"),
    [
        ("xml", "api", "owner_names does not fit format: xml"),
        ("nul", "none", "owner_names does not fit format: nul"),
        ("rclone", "none", "owner_names does not fit format: rclone"),
        ("jsonl", "none", "set attributes to api or mount"),
    ],
)
def test_format_without_owners_is_refused(
    client: Client,
    newest: snapshots.Snapshot,
    tmp_path: Path,
    form: str,
    attributes: str,
    said: str,
) -> None:
    with pytest.raises(errors.InputError, match=said):
        write(client, newest, tmp_path / "l", form, attributes=attributes)
    assert not (tmp_path / "l").exists()


def test_missing_privilege_is_named(
    simulator: Simulator,
    client: Client,
    newest: snapshots.Snapshot,
    settings: Callable[..., Any],
    tmp_path: Path,
) -> None:
    privileges = ["PRIVILEGE_SNAPSHOT_READ", "PRIVILEGE_FILE_READ_ACCESS"]
    simulator.control("users/add", name="few", password="x", privileges=privileges)
    with Client(settings("nobody", username="few", password="x")) as few:
        with pytest.raises(errors.MissingPrivilegeError, match="PRIVILEGE_IDENTITY_READ") as said:
            write(few, newest, tmp_path / "l", "jsonl")
        assert "owner_names" in said.value.message
        write(few, newest, tmp_path / "l", "jsonl", owner_names=False)
