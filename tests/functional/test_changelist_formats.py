# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lists look like: compressed, with ranges, with WORM locks, and without libraries."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    packing,
    parquet,
    ranges,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator


@pytest.fixture
def pair(simulator: Simulator, client: Client) -> tuple[snapshots.Snapshot, snapshots.Snapshot]:
    for path in ("/p/a", "/p/b", "/p/d/old"):
        simulator.control("files/put", path=path, content="12345" * 5000)
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="old", source_file_id=source)
    client.rest.fs.write_file(io.BytesIO(b"new"), path="/p/a", offset=9000)
    client.rest.fs.set_file_attr(path="/p/b", size="10")
    client.rest.fs.rename(source="/p/d/old", dir_path="/p", name="moved")
    simulator.control("files/put", path="/p/new", content="x")
    client.rest.fs.modify_file_lock(
        path="/p/new", retention_period="2099-01-01T00:00:00Z", legal_hold=True
    )
    client.rest.snapshot.create_snapshot(name="new", source_file_id=source)
    older, newer = snapshots.list_all(client)
    return newer, older


def write(client: Client, pair: Any, dest: Path, form: str = "jsonl", **options: Any) -> bytes:
    order = Order(str(dest), form, options.pop("attributes", "api"), deletes=True, **options)
    build(client, *pair, order, check_mode=False)
    return dest.read_bytes()


def lines(raw: bytes) -> dict[str, Any]:
    return {line["path"]: line for line in map(json.loads, raw.decode().splitlines())}


def test_a_compressed_list_holds_the_same_and_stays(
    client: Client, pair: Any, tmp_path: Path
) -> None:
    for form in ("jsonl", "csv", "nul", "xml"):
        plain = write(client, pair, tmp_path / "plain", form)
        packed = write(client, pair, tmp_path / "packed", form, compress="gzip")
        assert gzip.decompress(packed) == plain
        order = Order(str(tmp_path / "packed"), form, "api", deletes=True, compress="gzip")
        assert not build(client, *pair, order, check_mode=False).changed


#: What clients set: nothing at all (SMB), half a second before 1970, and a clock gone wrong.
TIMES = {
    "1601-01-01T00:00:00.5Z": "-11644473599.500000000",
    "1969-12-31T23:59:59.5Z": "-0.500000000",
    "2400-01-01T00:00:00Z": "13569465600.000000000",
}


def test_times_as_clients_set_them(client: Client, pair: Any, tmp_path: Path) -> None:
    newer, older = pair
    for number, time in enumerate(TIMES):
        client.rest.fs.create_file(name=f"t{number}", dir_path="/p")
        client.rest.fs.set_file_attr(path=f"/p/t{number}", modification_time=time)
    client.rest.snapshot.create_snapshot(name="late", source_file_id=newer.source_id)
    late = snapshots.list_all(client)[-1]
    found = lines(write(client, (late, older), tmp_path / "l"))
    told = [found[f"t{number}"]["mtime"] for number in range(len(TIMES))]
    assert told == list(TIMES.values())
    table = write(client, (late, older), tmp_path / "c", "csv").decode()
    dates = {row["path"]: row["mtime"] for row in csv.DictReader(table.splitlines())}
    for number, time in enumerate(TIMES):
        shown = dates[f"t{number}"]
        assert len(shown) == len("2026-11-28T17:00:00.123456789Z")
        assert datetime.fromisoformat(shown) == datetime.fromisoformat(time)
    reader = pytest.importorskip("pyarrow.parquet")
    write(client, (late, older), tmp_path / "p", "parquet")
    table = reader.read_table(tmp_path / "p")
    times = dict(zip(table["path"].to_pylist(), table["mtime"].cast("int64").to_pylist()))
    assert [times[f"t{number}"] for number in range(3)] == [None, -500_000_000, None]


def test_a_list_compressed_with_zstd(client: Client, pair: Any, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    plain = write(client, pair, tmp_path / "plain")
    order = Order(str(tmp_path / "packed"), "jsonl", "api", deletes=True, compress="zstd", split=2)
    build(client, *pair, order, check_mode=False)
    parts = [(tmp_path / f"packed.{part}").read_bytes() for part in ("first", "1", "2")]
    opened = [zstandard.ZstdDecompressor().decompressobj().decompress(part) for part in parts]
    assert sorted(b"".join(opened).splitlines()) == sorted(plain.splitlines())


def test_parquet_has_types(client: Client, pair: Any, tmp_path: Path) -> None:
    reader = pytest.importorskip("pyarrow.parquet")
    write(client, pair, tmp_path / "p", "parquet", renames=True, ranges=True, compress="zstd")
    table = reader.read_table(tmp_path / "p")
    assert str(table.schema.field("mtime").type) == "timestamp[ns, tz=UTC]"
    rows = table.select(["op", "path", "from", "size", "ranges"]).to_pylist()
    found = {row["path"]: row for row in rows}
    assert found["moved"]["op"] == "rename" and found["moved"]["from"] == "d/old"
    assert found["a"]["ranges"] == [{"offset": 8192, "length": 4096, "data": True}]


def test_ranges_tell_what_changed(
    client: Client, pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lines(write(client, pair, tmp_path / "l", renames=True, ranges=True))
    assert found["a"]["ranges"] == [[8192, 4096, "data"]]
    assert found["b"]["ranges"][0] == [0, 10, "data"] and found["b"]["size"] == 10
    assert found["moved"]["op"] == "rename" and "ranges" not in found["moved"]
    assert "ranges" not in found["new"]
    raw = write(client, pair, tmp_path / "c", "csv", ranges=True).decode()
    assert "8192+4096" in raw and "from" not in raw.splitlines()[0]
    monkeypatch.setattr(ranges, "MOST", 0)
    assert "ranges" not in lines(write(client, pair, tmp_path / "l", ranges=True))["a"]


def test_a_file_that_only_moved_is_not_copied(client: Client, pair: Any, tmp_path: Path) -> None:
    found = write(client, pair, tmp_path / "l", "jsonl", attributes="none", renames=True)
    moved = [line for line in map(json.loads, found.splitlines()) if line["path"] == "moved"]
    assert moved == [{"op": "rename", "path": "moved", "from": "d/old", "type": "file"}]


def test_locks_are_listed_on_request(client: Client, pair: Any, tmp_path: Path) -> None:
    found = lines(write(client, pair, tmp_path / "l", file_locks=True))
    assert found["new"]["retention_period"].startswith("2099") and found["new"]["legal_hold"]
    assert found["a"]["retention_period"] is None and not found["a"]["legal_hold"]
    assert "legal_hold" not in lines(write(client, pair, tmp_path / "l"))["new"]


def test_formats_without_renames_stay_as_they_are(
    client: Client, pair: Any, tmp_path: Path
) -> None:
    for form in ("xml", "nul"):
        plain = write(client, pair, tmp_path / "l", form)
        assert write(client, pair, tmp_path / "l", form, renames=True) == plain
    order = Order(str(tmp_path / "l"), "xml", "api", deletes=True, renames=True)
    assert "knows no renames" in build(client, *pair, order, check_mode=False).warnings[0]


def test_a_missing_library_is_named(
    client: Client, pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, options, name in (
        (parquet, {"form": "parquet"}, "pyarrow"),
        (packing, {"compress": "zstd"}, "zstandard"),
    ):
        monkeypatch.setattr(module, "IMPORT_ERROR", ImportError("no such module"))
        with pytest.raises(errors.LibraryMissingError, match=f"pip install {name}"):
            write(client, pair, tmp_path / "l", **options)
    assert not list(tmp_path.iterdir())


def test_names_that_a_list_can_not_hold_are_counted(
    simulator: Simulator, client: Client, pair: Any, tmp_path: Path
) -> None:
    for name in ("#c", ";d", "new\nline", " space ", "Icon\r"):
        simulator.control("files/put", path=f"/p/{name}", content="x")
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="newer", source_file_id=source)
    newer = snapshots.list_all(client)[-1]
    raw = write(client, (newer, pair[0]), tmp_path / "n", "nul").decode().split("\0")
    assert {"./#c", "./;d", "new\nline", " space "} <= set(raw)
    order = Order(str(tmp_path / "r"), "rclone", "api", deletes=True)
    result = build(client, newer, pair[0], order, check_mode=False)
    assert (tmp_path / "r").read_text() == "/ space \n/#c\n/;d\n"
    assert result.totals.files == 3 and "line feed" in result.warnings[0]
    assert result.totals.left_out == 2


def test_rclone_is_told_that_a_directory_could_not_be_read(
    simulator: Simulator, client: Client, pair: Any, settings: Any, tmp_path: Path
) -> None:
    simulator.control("files/put", path="/p/made/in/x")
    client.rest.fs.set_file_attr(path="/p/made/in", mode="0700")
    source = files.get(client, by_path("/p")).id
    client.rest.snapshot.create_snapshot(name="newer", source_file_id=source)
    newer = snapshots.list_all(client)[-1]
    simulator.control(
        "users/add",
        name="copier",
        password="x",
        privileges=["PRIVILEGE_SNAPSHOT_READ", "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ"],
    )
    order = Order(str(tmp_path / "r"), "rclone", "none")
    with Client(settings("nobody", username="copier", password="x")) as copier:
        result = build(copier, newer, pair[0], order, check_mode=False)
    assert result.totals.unreadable == 1
    assert "1 entries could not be read." in result.warnings


@pytest.mark.parametrize("kind", ["429", "503", "reset_before", "reset_after", "cut_body"])
def test_with_faults_renames_and_ranges_are_the_same(
    simulator: Simulator, client: Client, pair: Any, tmp_path: Path, kind: str
) -> None:
    options = {"renames": True, "ranges": True, "file_locks": True, "workers": 4}
    expected = write(client, pair, tmp_path / "a", **options)
    simulator.control("pages", diff=1, entries=1)
    simulator.control("faults/add", route=".", kind=kind, probability=0.2, seed=7, retry_after=0.02)
    found = write(client, pair, tmp_path / "b", **options)
    simulator.control("faults/clear")
    assert found == expected
