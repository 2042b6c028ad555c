# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path leads where the kernel leads, with symlinks and ``..`` in any order."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import safe_paths
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.output import AtomicFile

#: Directories, and symlinks between them.
DIRECTORIES = ("a", "a/b", "a/b/c", "d")
PARTS = st.sampled_from(["a", "b", "c", "d", "one", "two", "..", ".", ""])
PATHS = st.lists(PARTS, min_size=1, max_size=7).map("/".join)
TARGETS = st.one_of(st.sampled_from(DIRECTORIES), PATHS)


def place_of(path: str) -> tuple[int, int] | None:
    """Return the identity of the directory that the kernel finds, or None."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@settings(max_examples=300)
@given(PATHS, TARGETS, TARGETS, st.booleans())
@example("one/../list", "a/b", "d", False)
@example("two/..", "d", "one/b", False)
def test_a_path_leads_where_the_kernel_leads(
    path: str, one: str, two: str, from_root: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        top = os.path.realpath(place)
        for directory in DIRECTORIES:
            os.makedirs(os.path.join(top, directory), exist_ok=True)
        os.symlink(os.path.join(top, one) if from_root else one or ".", os.path.join(top, "one"))
        os.symlink(two or ".", os.path.join(top, "a", "two"))
        whole = os.path.join(top, path.lstrip("/"))
        *above, name = safe_paths.absolute(whole).split("/")
        above_path = "/".join(above) or "/"
        expected = place_of(os.path.join(whole, "..")) if name == ".." else place_of(above_path)
        try:
            fd, real, last = safe_paths.resolve(whole)
        except OSError:
            assert expected is None
            return
        try:
            found = os.fstat(fd)
            assert (found.st_dev, found.st_ino) == expected
            assert real == os.path.realpath(real)
            assert place_of(real) == expected
            if name == "..":
                assert place_of(os.path.join(real, last)) == place_of(whole)
            else:
                assert last == name
        finally:
            os.close(fd)


def test_a_list_is_written_above_the_target_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/deep")
    with AtomicFile(str(tmp_path / "link" / ".." / "list")) as output:
        output.write(b"one")
        output.commit()
    assert (tmp_path / "far" / "list").read_bytes() == b"one"
    assert not (tmp_path / "list").exists()
