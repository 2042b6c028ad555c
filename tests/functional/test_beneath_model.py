# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access times beneath a directory, against a model of a tree that changes all the time."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    Beneath,
    Outcome,
    relative,
)

START = 1_600_000_000_000000000
NAMES = st.sampled_from(["a", "b", "c"])
PARTS = st.one_of(NAMES, NAMES, NAMES, st.sampled_from(["..", ".", "", "inside", "outside"]))
PLACES = st.lists(NAMES, max_size=3)
TOPS = st.sampled_from(["inside", "inside", "outside"])


@dataclass(eq=False)
class Node:
    """A directory (entries), a symbolic link (target) or a file (neither)."""

    atime: int = START
    entries: dict[str, Node] | None = None
    target: str | None = None
    descriptor: int = field(default=-1, repr=False)


class TreeMachine(RuleBasedStateMachine):
    """Directories come, go and move, in and out of the one that stands for the mount."""

    @initialize(
        openat2=st.booleans(), age=st.sampled_from([0.0, 3600.0]), least=st.sampled_from([0, 1000])
    )
    def begin(self, openat2: bool, age: float, least: int) -> None:
        self.place = tempfile.TemporaryDirectory(prefix="beneath-")
        self.base = Path(self.place.name)
        self.nodes: list[Node] = []
        self.top = Node(entries={})
        for name in ("inside", "outside"):
            self.add(self.top, self.base / name, Node(entries={}))
        self.least = max(1, least)
        self.root = os.open(self.base / "inside", os.O_PATH)
        self.beneath = Beneath(self.root, openat2=openat2, parent_age=age, granularity_ns=least)

    def teardown(self) -> None:
        if hasattr(self, "beneath"):
            self.beneath.close()
            for number in (self.root, *(node.descriptor for node in self.nodes)):
                os.close(number)
            self.place.cleanup()

    # -- the model ----------------------------------------------------------------------------

    def find(self, top: str, names: list[str]) -> tuple[Node, Path] | None:
        """A directory that is there, and its path."""
        node, path = self.top, self.base
        for name in (top, *names):
            following = (node.entries or {}).get(name)
            if following is None or following.entries is None:
                return None
            node, path = following, path / name
        return node, path

    def add(self, above: Node, path: Path, node: Node) -> None:
        assert above.entries is not None
        if node.entries is not None:
            path.mkdir()
        elif node.target is not None:
            path.symlink_to(node.target)
        else:
            path.touch()
        os.utime(path, ns=(node.atime, START), follow_symlinks=False)
        node.descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
        above.entries[path.name] = node
        self.nodes.append(node)

    def expected(self, path: str, time_ns: int) -> tuple[Outcome, Node | None]:
        parts = path.split("/")
        node = self.top.entries["inside"] if self.top.entries else self.top
        if path != ".":
            if any(part in ("", ".", "..") for part in parts):
                return Outcome.REFUSED, None
            for part in parts:
                if node.target is not None:
                    return Outcome.REFUSED, None
                following = (node.entries or {}).get(part)
                if following is None:
                    return Outcome.GONE, None
                node = following
        if time_ns - node.atime < self.least:
            return Outcome.FRESH, None
        return Outcome.SET, node

    # -- what users do --------------------------------------------------------------------------

    @rule(top=TOPS, names=PLACES, name=NAMES, kind=st.sampled_from(["directory", "file"]))
    def make(self, top: str, names: list[str], name: str, kind: str) -> None:
        found = self.find(top, names)
        if found is not None and name not in (found[0].entries or {}):
            node = Node(entries={}) if kind == "directory" else Node()
            self.add(found[0], found[1] / name, node)

    @rule(
        top=TOPS,
        names=PLACES,
        name=NAMES,
        up=st.integers(0, 4),
        to=st.lists(PARTS, min_size=1, max_size=3),
        absolute=st.booleans(),
    )
    def link(
        self, top: str, names: list[str], name: str, up: int, to: list[str], absolute: bool
    ) -> None:
        found = self.find(top, names)
        if found is not None and name not in (found[0].entries or {}):
            target = "/".join(to) or "."
            target = f"{self.base}/{target}" if absolute else "../" * up + target
            self.add(found[0], found[1] / name, Node(target=target))

    @rule(source=TOPS, names=PLACES, name=NAMES, towards=TOPS, into=PLACES, new=NAMES)
    def move(
        self, source: str, names: list[str], name: str, towards: str, into: list[str], new: str
    ) -> None:
        found, place = self.find(source, names), self.find(towards, into)
        if found is None or place is None or new in (place[0].entries or {}):
            return
        if name not in (found[0].entries or {}) or f"{found[1] / name}/" in f"{place[1]}/":
            return
        (found[1] / name).rename(place[1] / new)
        assert found[0].entries is not None and place[0].entries is not None
        place[0].entries[new] = found[0].entries.pop(name)

    @rule(top=TOPS, names=PLACES, name=NAMES)
    def remove(self, top: str, names: list[str], name: str) -> None:
        found = self.find(top, names)
        node = (found[0].entries or {}).get(name) if found else None
        if found is None or node is None or node.entries:
            return
        path = found[1] / name
        path.unlink() if node.entries is None else path.rmdir()
        assert found[0].entries is not None
        del found[0].entries[name]

    # -- what is tried --------------------------------------------------------------------------

    @rule(parts=st.lists(PARTS, min_size=1, max_size=4), later=st.integers(-5000, 1_000_000))
    def set_time(self, parts: list[str], later: int) -> None:
        path, time_ns = "/".join(parts), START + later
        outcome, node = self.expected(path, time_ns)
        assert self.beneath.set_access_time(path.encode(), time_ns) is outcome
        if node is not None:
            node.atime = time_ns

    @invariant()
    def nothing_else_changed(self) -> None:
        for node in getattr(self, "nodes", []):
            assert os.fstat(node.descriptor).st_atime_ns == node.atime


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


@given(st.text(), st.text().filter(lambda name: "\0" not in name))
def test_a_path_of_the_cluster_is_found_below_its_export(below: str, name: str) -> None:
    try:
        raw = below.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    above = "/" + name.strip("/")
    separator = "" if above == "/" else "/"
    if below.strip("/"):
        assert relative(f"{above}{separator}{below}", above) == raw
    elif below:
        assert relative(f"{above}{separator}{below}", above) == b"."
