# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each format, applied to a copy of the old tree, gives the new tree, whatever was changed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    Result,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.functional.changelist_trees import STEPS, Changer, Copies, describe, listing, remove
from tests.simulator.harness import Simulator

FEW = settings(
    max_examples=int(os.environ.get("CHANGELIST_EXAMPLES", "12")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Steps = list[tuple[str, int, int, str, int]]


class Case:
    """Two snapshots, and copies of the trees in them."""

    def __init__(self, client: Client, top: Path, before: Steps, after: Steps) -> None:
        self.client = client
        self.top = top
        changer = Changer(client)
        changer.run(before)
        self.older: snapshots.Snapshot = changer.snapshot("old")
        changer.run(after)
        self.newer: snapshots.Snapshot = changer.snapshot("new")
        self.copies = Copies(client, top)
        self.old = self.copies.make("old", self.older.id)
        self.new = self.copies.make("new", self.newer.id)
        self.expected = describe(self.new)

    def build(self, form: str, attributes: str = "none", **options: Any) -> Result:
        order = Order(str(self.top / "list"), form, attributes, deletes=True, workers=3, **options)
        return build(self.client, self.newer, self.older, order, check_mode=False)

    def raw(self) -> bytes:
        return (self.top / "list").read_bytes()

    def fetch(self, path: str) -> None:
        self.copies.fetch(self.old, path, self.newer.id)

    def apply(self, lines: Iterable[dict[str, Any]]) -> None:
        """What a consumer does: each line by itself, from top to bottom."""
        for line in lines:
            operation, path = line["op"], line["path"]
            assert not line.get("error"), line
            place = self.old / path
            if operation == "delete":
                assert os.path.lexists(place) or not os.path.lexists(place.parent), line
                remove(self.old, path)
            elif operation == "rename":
                assert os.path.lexists(self.old / line["from"]), line
                assert not os.path.lexists(place), line
                os.rename(self.old / line["from"], place)
            elif line.get("ranges"):
                self._patch(path, line)
            else:
                if operation == "create":
                    assert not os.path.lexists(place), line
                self.fetch(path)
        assert describe(self.old) == self.expected

    def _patch(self, path: str, line: dict[str, Any]) -> None:
        place = self.old / path
        mode = place.stat().st_mode
        with open(place, "r+b") as file:
            for offset, length, kind in line["ranges"]:
                length = min(length, max(0, int(line["size"]) - offset))
                if not length:
                    continue
                data = bytes(length)
                if kind == "data":
                    data = self.copies.read_range(path, offset, length, self.newer.id)
                file.seek(offset)
                file.write(data)
            file.truncate(int(line["size"]))
        assert place.stat().st_mode == mode
        place.chmod(int(line["mode"], 8) | 0o700)


@contextmanager
def case(
    simulator: Simulator, client: Client, before: Steps, after: Steps, children: bool
) -> Iterator[Case]:
    simulator.reset()
    client.close()
    simulator.control("diff/children", listed=children)
    with tempfile.TemporaryDirectory() as top:
        yield Case(client, Path(top), before, after)


def lines_of(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.decode().splitlines()]


def rows_of(raw: bytes) -> list[dict[str, Any]]:
    rows = csv.DictReader(io.StringIO(raw.decode(), newline=""))
    return [{name: value for name, value in row.items() if value} for row in rows]


@FEW
@given(STEPS, STEPS, st.booleans(), st.sampled_from(["none", "api"]))
def test_json_lines(
    simulator: Simulator,
    client: Client,
    before: Steps,
    after: Steps,
    children: bool,
    attributes: str,
) -> None:
    with case(simulator, client, before, after, children) as one:
        one.build("jsonl", attributes)
        one.apply(lines_of(one.raw()))


#: A directory moves, another one takes its place, and what was in it goes elsewhere.
MOVED = [("rename", 0, 0, "x-y", 0), ("rename", 5, 0, "a", 0), ("write", 1, 0, "", 900)]


@settings(FEW, max_examples=FEW.max_examples * 3)
@given(STEPS, STEPS, st.booleans(), st.sampled_from(["none", "api"]), st.booleans(), st.booleans())
@example([], MOVED, False, "api", True, False)
@example([], [("swap", 0, 5, "", 0), ("swap", 1, 2, "", 0)], True, "none", False, True)
@example([], [("swap_kind", 0, 0, "a", 0), ("rename", 0, 1, "b", 0)], False, "none", True, False)
def test_json_lines_with_renames(
    simulator: Simulator,
    client: Client,
    before: Steps,
    after: Steps,
    children: bool,
    attributes: str,
    ranges: bool,
    expand: bool,
) -> None:
    with case(simulator, client, before, after, children) as one:
        ranges = ranges and attributes == "api"
        one.build("jsonl", attributes, renames=True, ranges=ranges, expand_deleted=expand)
        one.apply(lines_of(one.raw()))


@FEW
@given(STEPS, STEPS, st.booleans(), st.booleans())
def test_csv(
    simulator: Simulator,
    client: Client,
    before: Steps,
    after: Steps,
    children: bool,
    renames: bool,
) -> None:
    with case(simulator, client, before, after, children) as one:
        one.build("csv", "api", renames=renames)
        one.apply(rows_of(one.raw()))


@FEW
@given(STEPS, STEPS, st.booleans(), st.booleans())
def test_parquet(
    simulator: Simulator,
    client: Client,
    before: Steps,
    after: Steps,
    children: bool,
    renames: bool,
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with case(simulator, client, before, after, children) as one:
        one.build("parquet", "api", renames=renames)
        # Python's own times have no nanoseconds.
        columns = ["op", "path", "from", "type", "size", "error"]
        one.apply(parquet.read_table(one.top / "list", columns=columns).to_pylist())


@FEW
@given(STEPS, STEPS, st.booleans(), st.booleans())
def test_a_split_list_is_worked_off_in_any_order(
    simulator: Simulator,
    client: Client,
    before: Steps,
    after: Steps,
    children: bool,
    renames: bool,
) -> None:
    with case(simulator, client, before, after, children) as one:
        result = one.build("jsonl", "none", renames=renames, split=3)
        assert result.first is not None
        lines = lines_of(Path(result.first).read_bytes())
        parts = [lines_of(Path(path).read_bytes()) for path in result.lists]
        rest = [line for part in parts for line in part]
        for line in rest:
            assert line["op"] in ("create", "modify")
        # A mover makes the directories that lead to a file.
        rest.sort(key=lambda line: (line["type"] != "directory", line["path"]))
        one.apply(lines + rest)


def rsync(*options: str) -> int:
    command = ["rsync", "--archive", "--ignore-times", "--from0", "--force", *options]
    done = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True)
    print(done.stderr)
    return done.returncode


@pytest.fixture(scope="module")
def sound_rsync() -> bool:
    """Whether rsync can delete what is missing.

    Not where CVE-2024-12087 was fixed hastily. And 3.5.0 deletes, but ends with status 24 if a
    directory is missing with what was in it.
    """
    with tempfile.TemporaryDirectory() as top:
        for path in ("new/d", "old/d/z", "old/gone/z"):
            os.makedirs(f"{top}/{path}")
        Path(top, "list").write_bytes(b"d/z\0gone\0gone/z\0")
        options = [f"--files-from={top}/list", "--delete-missing-args"]
        return rsync(*options, f"{top}/new/", f"{top}/old/") == 0


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
@FEW
@given(STEPS, STEPS, st.booleans(), st.booleans())
@example(
    before=[("mkdir", 0, 0, "a", 0)] * 5,
    after=[*[("mkdir", 0, 0, "a", 0)] * 3, ("rename", 0, 0, "x-y", 0), ("mkdir", 0, 0, "a", 0)],
    children=False,
    apart=False,
)
def test_rsync(
    simulator: Simulator,
    client: Client,
    sound_rsync: bool,
    before: Steps,
    after: Steps,
    children: bool,
    apart: bool,
) -> None:
    with case(simulator, client, before, after, children) as one:
        result = one.build("nul", separate_deletes=apart or not sound_rsync)
        options = [f"--files-from={one.top}/list"]
        if result.first is not None:
            command = ["xargs", "-0", "--no-run-if-empty", "rm", "-rf", "--"]
            with open(result.first, "rb") as first:
                subprocess.run(command, cwd=one.old, stdin=first, check=True, timeout=300)
        else:
            options.append("--delete-missing-args")
        assert rsync(*options, f"{one.new}/", f"{one.old}/") == 0
        assert describe(one.old) == one.expected


@FEW
@given(STEPS, STEPS, st.booleans())
def test_storage_dna(
    simulator: Simulator, client: Client, before: Steps, after: Steps, children: bool
) -> None:
    with case(simulator, client, before, after, children) as one:
        one.build("xml", "api")
        parsed = list(ElementTree.parse(one.top / "list").getroot())
        for element in parsed:
            path = element.attrib["name"]
            if element.tag == "delete-file":
                remove(one.old, path[len("/p/") :])
            elif element.tag == "bad-dir":
                assert "\ufffd" in path
            else:
                # Backwards, so that a file comes before its directory, which may be a file yet.
                above = path.split("/")
                for depth in range(1, len(above) + 1):
                    part = one.old.joinpath(*above[:depth])
                    is_directory = depth < len(above) or element.attrib["type"] == "F_DIR"
                    real = part.is_dir()
                    if part.is_symlink() or (part.exists() and real != is_directory):
                        remove(one.old, "/".join(above[:depth]))
                (one.old / path).parent.mkdir(parents=True, exist_ok=True)
                one.fetch(path)
        # It knows no symlinks, and neither it nor XML has a place for some names.
        left_out = {path for path, (kind, _mode, _data) in one.expected.items() if kind == "link"}
        found = {k: v for k, v in describe(one.old).items() if v[0] != "link"}
        assert {k: v for k, v in found.items() if "\x01" not in k and k not in left_out} == {
            k: v for k, v in one.expected.items() if "\x01" not in k and k not in left_out
        }


@FEW
@given(STEPS, STEPS, st.booleans())
def test_rclone(
    simulator: Simulator, client: Client, before: Steps, after: Steps, children: bool
) -> None:
    with case(simulator, client, before, after, children) as one:
        result = one.build("rclone", "api")
        store = {k: v[2] for k, v in describe(one.old).items() if v[0] == "file"}
        new = {k: v[2] for k, v in one.expected.items() if v[0] == "file"}
        assert result.first is not None
        for name in Path(result.first).read_text().split("\n")[:-1]:
            assert name[0] == "/"
            store.pop(name[1:], None)
        for name in one.raw().decode().split("\n")[:-1]:
            store[name[1:]] = new[name[1:]]
        assert {k: v for k, v in store.items() if "\n" not in k} == {
            k: v for k, v in new.items() if "\n" not in k
        }


def indexed(client: Client, snapshot: int) -> dict[str, tuple[str, int]]:
    return {
        info.path[len("/p/") :]: (info.type, 0 if info.type == files.DIRECTORY else info.size)
        for info in listing(client, "/p", snapshot)
    }


@FEW
@given(STEPS, STEPS, st.booleans())
def test_a_search_index(
    simulator: Simulator, client: Client, before: Steps, after: Steps, children: bool
) -> None:
    import hashlib

    with case(simulator, client, before, after, children) as one:
        result = one.build("bulk", "api")

        def key(path: str) -> str:
            return hashlib.sha256(path.encode()).hexdigest()

        index = {key(path): (path, *known) for path, known in indexed(client, one.older.id).items()}
        assert result.first is not None
        for line in lines_of(Path(result.first).read_bytes()):
            index.pop(line["delete"]["_id"], None)
        lines = lines_of(one.raw())
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            described = (document["path"], document["type"], document["size"])
            index[action["index"]["_id"]] = described
        assert index == {
            key(path): (path, *known) for path, known in indexed(client, one.newer.id).items()
        }
