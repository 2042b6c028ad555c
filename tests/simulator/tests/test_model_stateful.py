# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system too simple to be wrong, and a machine that drives it and the model together."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulator.model import Clock, FileSystem, ModelError

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
MISSING = 999_999


class RefusedError(Exception):
    """What the naive file system refuses."""


@dataclass
class Node:
    """A file of the naive file system; hard links are the same object under several names."""

    id: int
    kind: str
    mode: int
    content: bytes = b""
    children: dict[str, Node] = field(default_factory=dict)
    retention_ns: int = 0
    legal_hold: bool = False

    def locked(self, now_ns: int) -> bool:
        return self.legal_hold or self.retention_ns > now_ns


def walk(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    for name, child in node.children.items():
        yield f"{path}{name}", child
        yield from walk(child, f"{path}{name}/")


def signatures(node: Node, path: str = "/") -> dict[str, tuple[Any, ...]]:
    """What a listing of everything below ``node`` must show."""
    found = list(walk(node, path))
    links: dict[int, int] = {}
    for _, child in found:
        links[child.id] = links.get(child.id, 0) + 1
    return {
        where: (
            child.id,
            child.kind,
            child.mode,
            child.content,
            len(child.children),
            (links[child.id] if child.kind != "DIRECTORY" else 0),
        )
        for where, child in found
    }


def listing(
    file_system: FileSystem, path: str = "/", *, snapshot: int | None = None, limit: int = 3
) -> dict[str, tuple[Any, ...]]:
    """The same from the model, page by page."""
    shown: dict[str, tuple[Any, ...]] = {}
    pending = [path]
    while pending:
        directory, after = pending.pop(), ""
        while True:
            page = file_system.entries(directory, after=after, limit=limit, snapshot=snapshot)
            for entry in page.items:
                where = entry["path"].rstrip("/")
                kind = entry["type"].removeprefix("FS_FILE_TYPE_")
                content = b""
                if kind == "FILE":
                    content = file_system.read(where, snapshot=snapshot)
                    assert len(content) == int(entry["size"])
                elif kind == "SYMLINK":
                    content = file_system.read_link(where, snapshot=snapshot).encode()
                else:
                    pending.append(where)
                assert where not in shown, "listed twice"
                links = entry["num_links"] if kind != "DIRECTORY" else 0
                shown[where] = (
                    int(entry["id"]),
                    kind,
                    int(entry["mode"], 8),
                    content,
                    entry["child_count"],
                    links,
                )
            after = page.next
            if not after:
                break
    return shown


def below(listed: dict[str, tuple[Any, ...]], directory: str) -> dict[str, tuple[Any, ...]]:
    prefix = directory.rstrip("/") + "/"
    return {path: value for path, value in listed.items() if path.startswith(prefix)}


def whole_diff(file_system: FileSystem, newer: int, older: int, limit: int) -> list[dict[str, str]]:
    entries, after = [], ""
    while True:
        page = file_system.tree_diff(newer, older, after=after, limit=limit)
        assert len(page.items) <= limit
        entries += page.items
        after = page.next
        if not after:
            return entries
        assert len(page.items) == limit


def apply_diff(
    old: dict[str, tuple[Any, ...]],
    new: dict[str, tuple[Any, ...]],
    entries: list[dict[str, str]],
    source: str,
) -> dict[str, tuple[Any, ...]]:
    """The old listing, changed as the diff says; each entry must be possible."""
    result = dict(old)
    for entry in entries:
        path = entry["path"].rstrip("/")
        is_directory = entry["path"].endswith("/")
        if path == source.rstrip("/"):
            assert entry["op"] == "MODIFY"
            continue
        known = old if entry["op"] == "DELETE" else new
        assert path in known, f"{entry} names what is not there"
        assert is_directory == (known[path][1] == "DIRECTORY"), entry
        if entry["op"] == "DELETE":
            for gone in [path, *below(result, path)]:
                result.pop(gone, None)
        elif entry["op"] == "CREATE":
            result[path] = new[path]
            result.update(below(new, path))
        else:
            assert old[path][0] == new[path][0], "a MODIFY of another file"
            result[path] = new[path]
    return result


def same_file(path: str, old: dict[str, tuple[Any, ...]], new: dict[str, tuple[Any, ...]]) -> bool:
    """Whether both listings lead to the same file by the same directories."""
    known = [part for part in ancestors(path) if part in old or part in new]
    return all(part in old and part in new and old[part][0] == new[part][0] for part in known)


def ancestors(path: str) -> list[str]:
    names = path.split("/")[1:]
    return ["/" + "/".join(names[: depth + 1]) for depth in range(len(names))]


NAMES = st.sampled_from(["a", "b", "c,\"'", "\U0001f600\n"])


class Both(RuleBasedStateMachine):
    """Whatever is done, the model and the naive file system must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.freeze()
        self.clock.set(START)
        self.model = FileSystem(self.clock)
        self.root = Node(2, "DIRECTORY", 0o777)
        self.snapshots: dict[int, tuple[str, dict[str, tuple[Any, ...]]]] = {}
        self.locks: dict[int, int] = {}

    @initialize(names=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3, unique=True))
    def begin(self, names: list[tuple[str, str]]) -> None:
        for directory, file in names:
            if directory not in self.root.children:
                inode = self.model.create_directory("/", directory)
                self.root.children[directory] = Node(inode.id, "DIRECTORY", 0o755)
            inode = self.model.create_file(f"/{directory}", file)
            self.root.children[directory].children[file] = Node(inode.id, "FILE", 0o644)

    # -- the naive side ---------------------------------------------------------------------

    def paths(self, kind: str | None = None) -> list[str]:
        found = [path for path, node in walk(self.root, "/") if kind in (None, node.kind)]
        return sorted(found) + (["/"] if kind in (None, "DIRECTORY") else [])

    def node(self, path: str) -> Node:
        node = self.root
        for name in filter(None, path.split("/")):
            if name not in node.children:
                raise RefusedError(path)
            node = node.children[name]
        return node

    def place(self, path: str) -> tuple[Node, str]:
        head, _, name = path.rpartition("/")
        return self.node(head or "/"), name

    @staticmethod
    def join(parent: str, name: str) -> str:
        return f"{parent.rstrip('/')}/{name}"

    def unlocked(self, node: Node) -> None:
        if node.locked(self.clock.now_ns()):
            raise RefusedError("locked")

    def both(self, naive: Any, model: Any) -> Any:
        """Do it on both sides; either both do it or both refuse."""
        before = copy.deepcopy(self.root)
        try:
            naive()
        except RefusedError as refusal:
            self.root = before
            try:
                model()
            except ModelError:
                return None
            raise AssertionError(f"the model did what is refused: {refusal}") from refusal
        return model()

    def some_file(self, data: st.DataObject) -> str:
        """Mostly a file, sometimes anything."""
        return data.draw(st.sampled_from(self.paths("FILE") * 3 + self.paths()))

    # -- rules ------------------------------------------------------------------------------

    @rule(data=st.data(), name=NAMES, kind=st.sampled_from(["FILE", "DIRECTORY", "SYMLINK"]))
    def create(self, data: st.DataObject, name: str, kind: str) -> None:
        parent = data.draw(st.sampled_from(self.paths("DIRECTORY")))
        mode = {"FILE": 0o644, "DIRECTORY": 0o755, "SYMLINK": 0o777}[kind]
        node = Node(0, kind, mode, b"target" if kind == "SYMLINK" else b"")

        def naive() -> None:
            if name in self.node(parent).children:
                raise RefusedError("exists")
            self.node(parent).children[name] = node

        def model() -> Any:
            if kind == "FILE":
                return self.model.create_file(parent, name)
            if kind == "DIRECTORY":
                return self.model.create_directory(parent, name)
            return self.model.create_symlink(parent, name, "target")

        inode = self.both(naive, model)
        if inode is not None:
            node.id = inode.id

    @rule(data=st.data(), name=NAMES)
    def link(self, data: st.DataObject, name: str) -> None:
        parent = data.draw(st.sampled_from(self.paths("DIRECTORY")))
        target = data.draw(st.sampled_from(self.paths()))

        def naive() -> None:
            node = self.node(target)
            if node.kind == "DIRECTORY" or name in self.node(parent).children:
                raise RefusedError("directory or exists")
            self.unlocked(node)
            self.node(parent).children[name] = node

        self.both(naive, lambda: self.model.create_link(parent, name, target))

    @rule(
        data=st.data(),
        offset=st.integers(0, 40),
        content=st.binary(max_size=20),
        how=st.sampled_from(["write", "append", "replace", "truncate"]),
    )
    def write(self, data: st.DataObject, offset: int, content: bytes, how: str) -> None:
        path = self.some_file(data)

        def naive() -> None:
            node = self.node(path)
            if node.kind != "FILE":
                raise RefusedError("no file")
            self.unlocked(node)
            old = node.content
            if how == "replace":
                node.content = content
            elif how == "truncate":
                node.content = old[:offset].ljust(offset, b"\0")
            elif content:
                at = len(old) if how == "append" else offset
                node.content = old[:at].ljust(at, b"\0") + content + old[at + len(content) :]

        def model() -> Any:
            if how == "replace":
                return self.model.replace(path, content)
            if how == "truncate":
                return self.model.truncate(path, offset)
            if how == "append":
                return self.model.append(path, content)
            return self.model.write(path, offset, content)

        self.both(naive, model)

    @rule(data=st.data(), mode=st.sampled_from([0o600, 0o644, 0o755]))
    def chmod(self, data: st.DataObject, mode: int) -> None:
        path = data.draw(st.sampled_from(self.paths()))

        def naive() -> None:
            node = self.node(path)
            self.unlocked(node)
            node.mode = mode

        self.both(naive, lambda: self.model.set_attributes(path, mode=mode))

    @rule(data=st.data(), name=NAMES, clobber=st.booleans())
    def rename(self, data: st.DataObject, name: str, clobber: bool) -> None:
        source = data.draw(st.sampled_from(self.paths()))
        parent = data.draw(st.sampled_from(self.paths("DIRECTORY")))

        def naive() -> None:
            if source == "/":
                raise RefusedError("root")
            node, target = self.node(source), self.node(parent)
            replaced = target.children.get(name)
            if replaced is node:
                return
            if replaced is not None:
                both_directories = replaced.kind == node.kind == "DIRECTORY"
                neither = "DIRECTORY" not in (replaced.kind, node.kind)
                if not clobber or not (both_directories or neither) or replaced.children:
                    raise RefusedError("exists")
                self.unlocked(replaced)
            if f"{parent.rstrip('/')}/".startswith(f"{source}/"):
                raise RefusedError("cycle")
            self.unlocked(node)
            old, old_name = self.place(source)
            del old.children[old_name]
            target.children[name] = node

        self.both(naive, lambda: self.model.rename(source, parent, name, clobber=clobber))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.paths()))

        def naive() -> None:
            node = self.node(path)
            if path == "/" or node.children:
                raise RefusedError("root or not empty")
            self.unlocked(node)
            parent, name = self.place(path)
            del parent.children[name]

        self.both(naive, lambda: self.model.remove(path))

    @rule(data=st.data())
    def delete_tree(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.paths("DIRECTORY")))

        def clear(node: Node) -> None:
            for name, child in list(node.children.items()):
                clear(child)
                if not child.children and not child.locked(self.clock.now_ns()):
                    del node.children[name]

        def naive() -> None:
            node = self.node(path)
            clear(node)
            if path != "/" and not node.children:
                parent, name = self.place(path)
                del parent.children[name]

        self.both(naive, lambda: self.model.delete_tree(path))

    @rule(data=st.data(), seconds=st.integers(-5, 50), hold=st.sampled_from([None, True, False]))
    def lock(self, data: st.DataObject, seconds: int, hold: bool | None) -> None:
        path = self.some_file(data)
        until = self.clock.now_ns() + seconds * SECOND if seconds else None

        def naive() -> None:
            node = self.node(path)
            if node.kind != "FILE":
                raise RefusedError("no file")
            earliest = max(node.retention_ns, self.clock.now_ns() + 1)
            if until is not None and until != node.retention_ns and until < earliest:
                raise RefusedError("shorter")
            node.retention_ns = until or node.retention_ns
            node.legal_hold = node.legal_hold if hold is None else hold

        self.both(naive, lambda: self.model.lock_file(path, retention_ns=until, legal_hold=hold))

    @rule(seconds=st.integers(0, 30))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds * SECOND)

    @precondition(lambda self: len(self.snapshots) < 5)
    @rule(data=st.data())
    def snapshot_some_directory(self, data: st.DataObject) -> None:
        self.take_snapshot(data.draw(st.sampled_from(self.paths("DIRECTORY"))))

    @precondition(lambda self: len(self.snapshots) < 5)
    @rule()
    def snapshot_everything(self) -> None:
        self.take_snapshot("/")

    def take_snapshot(self, path: str) -> None:
        snapshot = self.model.take_snapshot(path, "test")
        prefix = path.rstrip("/") + "/"
        everything = signatures(self.root)
        frozen = {where: value for where, value in everything.items() if where.startswith(prefix)}
        self.snapshots[snapshot.id] = (path, frozen)

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def delete_snapshot(self, data: st.DataObject) -> None:
        snapshot = data.draw(st.sampled_from(sorted(self.snapshots)))
        self.model.delete_snapshot(snapshot)
        del self.snapshots[snapshot]

    # -- what must hold ---------------------------------------------------------------------

    @invariant()
    def present_agrees(self) -> None:
        now = signatures(self.root)
        assert listing(self.model) == now
        assert self.model.count() == len({value[0] for value in now.values()} | {2})
        for path, value in now.items():
            parent, _, name = path.rpartition("/")
            assert self.model.resolve(path).id == value[0]
            if value[5] < 2:
                assert self.model.path_of(value[0]) == path
            assert name in self.model.child_names(parent or "/")

    @invariant()
    def totals_agree(self) -> None:
        now = list(signatures(self.root).values())
        totals = self.model.aggregates("/")[0]
        for kind, member in (
            ("FILE", "total_files"),
            ("DIRECTORY", "total_directories"),
            ("SYMLINK", "total_symlinks"),
        ):
            assert int(totals[member]) == sum(value[1] == kind for value in now)
        data = sum(-(-len(value[3]) // 4096) for value in now if value[1] == "FILE")
        assert int(totals["total_data"]) == data * 4096

    @invariant()
    def snapshots_stay(self) -> None:
        for snapshot, (path, frozen) in self.snapshots.items():
            assert listing(self.model, path, snapshot=snapshot) == frozen
            totals = self.model.aggregates(path, snapshot=snapshot)[0]
            files = sum(value[1] == "FILE" for value in frozen.values())
            assert int(totals["total_files"]) == files
            for where, value in frozen.items():
                by_id = self.model.attributes(value[0], snapshot=snapshot)
                assert self.model.resolve(where, snapshot=snapshot).id == int(by_id["id"])
                if value[5] < 2:
                    assert by_id["path"].rstrip("/") == where

    @invariant()
    def diffs_lead_from_old_to_new(self) -> None:
        for older, (path, old) in self.snapshots.items():
            for newer, (again, new) in self.snapshots.items():
                if newer <= older or path != again:
                    continue
                if self.model.snapshot(newer).source_file_id != (
                    self.model.snapshot(older).source_file_id
                ):
                    continue
                self.model.diff_lists_children = False
                entries = whole_diff(self.model, newer, older, 1000)
                assert apply_diff(old, new, entries, path) == new
                assert whole_diff(self.model, newer, older, 1) == entries
                self.model.diff_lists_children = True
                expanded = whole_diff(self.model, newer, older, 1000)
                assert whole_diff(self.model, newer, older, 2) == expanded
                assert [entry for entry in expanded if entry in entries] == entries
                self.check_expanded(expanded, old, new, path)

    @staticmethod
    def check_expanded(
        expanded: list[dict[str, str]],
        old: dict[str, tuple[Any, ...]],
        new: dict[str, tuple[Any, ...]],
        source: str,
    ) -> None:
        """With children listed, the entries are exactly the paths that came, went or changed."""
        named: dict[str, set[str]] = {"CREATE": set(), "DELETE": set(), "MODIFY": set()}
        for entry in expanded:
            path = entry["path"].rstrip("/")
            assert path not in named[entry["op"]], "listed twice"
            named[entry["op"]].add(path)
        assert named["CREATE"] == {path for path in new if not same_file(path, old, new)}
        assert named["DELETE"] == {path for path in old if not same_file(path, old, new)}
        stayed = set(new) - named["CREATE"]
        changed = {path for path in stayed if old[path] != new[path]}
        assert changed <= named["MODIFY"] <= stayed | {source.rstrip("/")}

    @invariant()
    def retention_never_shortens(self) -> None:
        for _, node in walk(self.root, "/"):
            if node.kind == "FILE":
                rare = self.model.resolve(node.id).rare
                until = (rare.retention_ns if rare is not None else None) or 0
                assert until == node.retention_ns >= self.locks.get(node.id, 0)
                self.locks[node.id] = until


TestBoth = Both.TestCase
TestBoth.settings = settings(max_examples=200, stateful_step_count=40)
