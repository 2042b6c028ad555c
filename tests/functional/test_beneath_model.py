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
NAMES = st.sampled_from(["a", "b"])
PARTS = st.one_of(NAMES, NAMES, NAMES, st.sampled_from(["..", ".", "", "inside", "outside"]))


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
        self.known: dict[str, Node] = {}
        self.top = Node(entries={})
        self.fill(self.top, self.base, ("inside", "outside"), 3)
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

    def fill(self, above: Node, path: Path, names: tuple[str, ...], depth: int) -> None:
        """Begin with some directories and files, of the same names on every level."""
        for name in names:
            node = Node(entries={}) if depth else Node()
            self.add(above, path / name, node)
            if depth:
                self.fill(node, path / name, ("a", "b"), depth - 1)

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

    def directories(self) -> list[tuple[Node, Path]]:
        """All directories that are there now, and their paths."""
        found = [(self.top, self.base)]
        for node, path in found:
            for name, inner in (node.entries or {}).items():
                if inner.entries is not None:
                    found.append((inner, path / name))
        return found[1:]

    # -- what users do --------------------------------------------------------------------------

    @rule(data=st.data(), name=NAMES, kind=st.sampled_from(["directory", "directory", "file"]))
    def make(self, data: st.DataObject, name: str, kind: str) -> None:
        above, path = data.draw(st.sampled_from(self.directories()))
        if above.entries is not None and name not in above.entries:
            node = Node(entries={}) if kind == "directory" else Node()
            self.add(above, path / name, node)

    @rule(
        data=st.data(),
        name=NAMES,
        up=st.integers(0, 4),
        to=st.lists(PARTS, min_size=1, max_size=3),
        absolute=st.booleans(),
    )
    def link(self, data: st.DataObject, name: str, up: int, to: list[str], absolute: bool) -> None:
        above, path = data.draw(st.sampled_from(self.directories()))
        if above.entries is not None and name not in above.entries:
            target = "/".join(to) or "."
            target = f"{self.base}/{target}" if absolute else "../" * up + target
            self.add(above, path / name, Node(target=target))

    @rule(data=st.data(), new=NAMES)
    def move(self, data: st.DataObject, new: str) -> None:
        places = self.directories()
        source, path = data.draw(st.sampled_from(places))
        target, into = data.draw(st.sampled_from(places))
        if not source.entries or target.entries is None or new in target.entries:
            return
        name = data.draw(st.sampled_from(sorted(source.entries)))
        if f"{path / name}/" in f"{into}/":
            return
        (path / name).rename(into / new)
        target.entries[new] = source.entries.pop(name)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        above, path = data.draw(st.sampled_from(self.directories()))
        if not above.entries:
            return
        name = data.draw(st.sampled_from(sorted(above.entries)))
        node = above.entries[name]
        if node.entries:
            return
        (path / name).unlink() if node.entries is None else (path / name).rmdir()
        del above.entries[name]

    # -- what is tried --------------------------------------------------------------------------

    def attempt(self, path: str, time_ns: int) -> None:
        outcome, node = self.expected(path, time_ns)
        assert self.beneath.set_access_time(path.encode(), time_ns) is outcome
        if node is not None:
            node.atime = time_ns

    @rule(parts=st.lists(PARTS, min_size=1, max_size=4), later=st.integers(-5000, 1_000_000))
    def set_any(self, parts: list[str], later: int) -> None:
        self.attempt("/".join(parts), START + later)

    @rule(further=st.sampled_from([-1, 0, 1]))
    def set_known(self, further: int) -> None:
        """All paths that are there, or were, and times at the edge of what is worth a write."""
        for node, path in self.directories():
            for name, inner in (node.entries or {}).items():
                shown = str((path / name).relative_to(self.base))
                if shown.startswith("inside/"):
                    self.known[shown[len("inside/") :]] = inner
        for shown, inner in sorted(self.known.items()):
            self.attempt(shown, inner.atime + self.least + further)

    @invariant()
    def nothing_else_changed(self) -> None:
        for node in getattr(self, "nodes", []):
            assert os.fstat(node.descriptor).st_atime_ns == node.atime


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=200, stateful_step_count=60)


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
