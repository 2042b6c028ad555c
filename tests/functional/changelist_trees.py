# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that are changed at random, and copies of them that lists are applied to."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    errors,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)

NAMES = ["a", "b", "x-y", "x", "ä ö", 'q"<&>', "new\nline", "tab\there", "\x01", "#c ", "z.txt"]
#: One change: what, of which file, below which directory, with which name, and how much of it.
CHANGES = st.tuples(
    st.sampled_from(
        ["mkdir", "create", "create", "rename", "rename", "rename", "delete", "rmtree", "write"]
        + ["append", "truncate", "chmod", "link", "symlink", "swap", "swap_kind"]
    ),
    st.integers(0, 999),
    st.integers(0, 999),
    st.sampled_from(NAMES),
    st.integers(0, 20_000),
)
STEPS = st.lists(CHANGES, min_size=5, max_size=30)
#: What every tree begins with, so that each change has something to work on.
FIRST = ["/a/b/x", "/a/b/z.txt", "/a/x", "/b/x-y/x", "/b/x", "/b/x-y/a/b", "/x"]


def listing(client: Client, path: str, snapshot: int | None = None) -> list[files.FileInfo]:
    """Return everything below a directory, by path; with one connection, as these are small."""
    found = []
    for info in files.entries(client, by_path(path), snapshot=snapshot):
        found.append(info)
        if info.type == files.DIRECTORY:
            found += listing(client, info.path, snapshot)
    return sorted(found, key=lambda info: info.path)


class Changer:
    """Applies changes to ``/p``; one that can not be done is left out."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._rest = client.rest.fs
        self._rest.create_directory(name="p", dir_path="/")
        self.source = files.get(client, by_path("/p")).id
        for path in FIRST:
            above = "/p"
            for name in path.split("/")[1:-1]:
                try:
                    self._rest.create_directory(name=name, dir_path=above)
                except errors.ConflictError:
                    pass  # it is there
                above += f"/{name}"
            self._step("create", 0, 0, path.rpartition("/")[2], 50, above)

    def snapshot(self, name: str) -> snapshots.Snapshot:
        made = self._client.rest.snapshot.create_snapshot(name=name, source_file_id=self.source)
        return snapshots.get(self._client, int(made["id"]))

    def run(self, steps: list[tuple[str, int, int, str, int]]) -> None:
        for step in steps:
            try:
                self._step(*step)
            except errors.QumuloError:
                pass  # taken, not empty, or below itself: another step will do something

    def _step(
        self, action: str, which: int, where: int, name: str, size: int, above: str | None = None
    ) -> None:
        found = listing(self._client, "/p")
        directories = ["/p"] + [info.path for info in found if info.type == files.DIRECTORY]
        if above is None:
            above = directories[where % len(directories)]
        rest = self._rest
        if action == "mkdir":
            rest.create_directory(name=name, dir_path=above)
            return
        if action == "create":
            rest.create_file(name=name, dir_path=above)
            rest.write_file(io.BytesIO(os.urandom(size % 100)), path=f"{above}/{name}")
            return
        if action == "symlink":
            rest.create_symlink(name=name, target=f"to {size}", dir_path=above)
            return
        if not found:
            return
        info = found[which % len(found)]
        path, is_file = info.path, info.type == files.FILE
        if action == "rename":
            rest.rename(name=name, source=path, dir_path=above, clobber=bool(size % 2))
        elif action == "delete":
            rest.delete(path=path)
        elif action == "rmtree":
            self._remove(path)
        elif action == "write" and is_file:
            rest.write_file(io.BytesIO(os.urandom(size)), path=path)
        elif action == "append" and is_file:
            rest.write_file(io.BytesIO(os.urandom(50)), path=path, offset=info.size + size % 9000)
        elif action == "truncate" and is_file:
            rest.set_file_attr(path=path, size=size % (info.size + 1))
        elif action == "chmod" and info.type != files.SYMLINK:
            rest.set_file_attr(path=path, mode=f"0{6 + size % 2}4{size % 8}")
        elif action == "link" and is_file:
            rest.create_link(name=name, target=path, dir_path=above)
        elif action == "swap":
            other = found[where % len(found)].path
            rest.rename(name="swapping", source=path, dir_path="/p")
            rest.rename(
                name=path.rpartition("/")[2], source=other, dir_path=path.rpartition("/")[0]
            )
            rest.rename(
                name=other.rpartition("/")[2],
                source="/p/swapping",
                dir_path=other.rpartition("/")[0],
            )
        elif action == "swap_kind":
            self._remove(path)
            parent, _slash, last = path.rpartition("/")
            if is_file:
                rest.create_directory(name=last, dir_path=parent)
                rest.create_file(name=name, dir_path=path)
            else:
                rest.create_file(name=last, dir_path=parent)

    def _remove(self, path: str) -> None:
        if files.get(self._client, by_path(path)).type == files.DIRECTORY:
            for info in reversed(listing(self._client, path)):
                self._rest.delete(path=info.path)
        self._rest.delete(path=path)


Described = tuple[str, str, bytes]


class Copies:
    """Real directories that hold a tree as it was in a snapshot."""

    def __init__(self, client: Client, top: Path) -> None:
        self._client = client
        self._top = top

    def make(self, name: str, snapshot: int) -> Path:
        """Copy a whole tree; hard links become files of their own."""
        copy = self._top / name
        copy.mkdir()
        for info in listing(self._client, "/p", snapshot):
            self.fetch(copy, info.path[len("/p/") :], snapshot)
        return copy

    def fetch(self, copy: Path, path: str, snapshot: int) -> None:
        """Copy what there is at a path, over a file that is there already."""
        info = files.get(self._client, by_path(f"/p/{path}"), snapshot=snapshot)
        place = copy / path
        if info.type == files.DIRECTORY:
            place.mkdir(exist_ok=True)
        elif info.type == files.SYMLINK:
            target = self._read(info.id, snapshot)
            if place.is_symlink():
                place.unlink()
            os.symlink(target, os.fsencode(place))
        else:
            place.write_bytes(self._read(info.id, snapshot))
        if info.type != files.SYMLINK:
            # So that whoever runs this may still read it; all bits that are set are compared.
            place.chmod(int(info.mode, 8) | 0o700)

    def _read(self, file_id: str, snapshot: int) -> bytes:
        output = io.BytesIO()
        self._client.rest.fs.read_file(output, id_=file_id, snapshot=snapshot)
        return output.getvalue()

    def read_range(self, path: str, offset: int, length: int, snapshot: int) -> bytes:
        """Read bytes of a file."""
        output = io.BytesIO()
        self._client.rest.fs.read_file(
            output, path=f"/p/{path}", snapshot=snapshot, offset=offset, length=length
        )
        return output.getvalue()


def describe(copy: Path) -> dict[str, Described]:
    """Return everything in a tree: type, mode, and content."""
    described: dict[str, Described] = {}
    for directory, below, names in os.walk(copy):
        for name in below + names:
            path = os.path.join(directory, name)
            mode = f"{os.lstat(path).st_mode & 0o777:o}"
            relative = os.path.relpath(path, copy)
            if os.path.islink(path):
                described[relative] = ("link", "", os.readlink(path).encode())
            elif os.path.isdir(path):
                described[relative] = ("directory", mode, b"")
            else:
                described[relative] = ("file", mode, Path(path).read_bytes())
    return described


def remove(copy: Path, path: str) -> None:
    """Delete what is at a path, with all that is in it, if there is something."""
    place = copy / path
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif place.is_symlink() or place.exists():
        place.unlink()
