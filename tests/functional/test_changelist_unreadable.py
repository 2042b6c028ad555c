# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that are gone, and could not be read while they were there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator


@pytest.mark.parametrize(
    ("form", "attributes", "gone"),
    [("jsonl", "api", ["secret"]), ("bulk", "api", None), ("nul", "none", ["secret"])],
)
def test_deleted_directory_is_no_creation(
    simulator: Simulator,
    client: Client,
    settings: Callable[..., Any],
    tmp_path: Path,
    form: str,
    attributes: str,
    gone: Any,
) -> None:
    simulator.control("files/put", path="/p/secret/a")
    simulator.control("files/put", path="/p/kept")
    client.rest.fs.set_file_attr(path="/p/secret", mode="0700")
    pair = []
    for name in ("older", "newer"):
        made = client.rest.snapshot.create_snapshot(
            name=name, source_file_id=files.get(client, by_path("/p")).id
        )
        pair.append(snapshots.get(client, int(made["id"])))
        if name == "older":
            client.rest.fs.delete(path="/p/secret/a")
            client.rest.fs.delete(path="/p/secret")
    few = ["PRIVILEGE_SNAPSHOT_READ", "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ"]
    simulator.control("users/add", name="copier", password="x", privileges=few)
    options = {"deletes": True, "separate_deletes": True, "expand_deleted": True}
    order = Order(str(tmp_path / "l"), form, attributes, **options)
    with Client(settings("nobody", username="copier", password="x")) as copier:
        result = build(copier, pair[1], pair[0], order, check_mode=False)
    assert result.totals.unreadable == 1 and result.warnings
    present, first = (tmp_path / "l").read_bytes(), (tmp_path / "l.first").read_bytes()
    assert b"secret" not in present
    if form == "bulk":
        assert any("documents of what was in them stay" in said for said in result.warnings)
        assert {next(iter(json.loads(line))) for line in first.splitlines()} == {"delete"}
        assert b"index" not in present
    elif form == "jsonl":
        assert {json.loads(line)["op"] for line in first.splitlines()} == {"delete"}
    assert gone is None or b"secret" in first
