# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that looks up the names of a list in a mount and a copy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import presence
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

from .module_calls import Call, call

__all__ = ["call"]

PARTS = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in (b".", b"..") and not {0, 0x2F}.intersection(name)
)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(b"/".join)


def written(path: Path, names: list[bytes]) -> str:
    path.write_bytes(b"".join(name + b"\0" for name in names))
    path.chmod(0o600)
    return str(path)


@given(st.lists(NAMES, max_size=20), st.sets(NAMES, max_size=8), st.integers(1, 25))
def test_names_are_found_whatever_they_are(
    listed: list[bytes], made: set[bytes], limit: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place, "top")
        top.mkdir()
        for name in made:
            # A name can be a directory of another one.
            os.makedirs(os.path.join(os.fsencode(top), name), exist_ok=True)
        marked = [b"./" + name if name.startswith(b"#") else name for name in listed]
        path = written(Path(place, "list"), marked)
        count, (seen,) = presence.look_up(path, [str(top)], limit=limit)
    assert count == min(limit, len(listed))
    below = {name[: at or None] for name in made for at in [0, *_slashes(name)]}
    assert seen.found == sum(name in below for name in listed[:limit])
    assert seen.empty == (not made)


def _slashes(name: bytes) -> list[int]:
    return [at for at, byte in enumerate(name) if byte == 0x2F]


def test_a_symlink_counts_as_a_name_and_ignored_names_do_not(call: Call, tmp_path: Path) -> None:
    mount, copy = tmp_path / "mount", tmp_path / "copy"
    for top in (mount, copy):
        (top / ".snapshot").mkdir(parents=True)
    (mount / "broken").symlink_to("/nonexistent")
    listed = written(tmp_path / "list", [b"broken", b"gone", b"broken/below"])
    result = call(
        "qumulo_changelist_copy_info",
        list=listed,
        paths=[str(mount), str(copy)],
        ignore=[".snapshot"],
    )
    assert result["listed"] == 3
    assert result["directories"] == [
        {"path": str(mount), "found": 1, "empty": False},
        {"path": str(copy), "found": 0, "empty": True},
    ]
    assert result["msg"] == f"Of the first 3 names, 1 exist in {mount}, 0 exist in {copy}."
    assert result["changed"] is False


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"cut off", {}, "The list ends within a name"),
        (b"../up\0", {}, "is not a name below the copy"),
        (b"a\0", {"max_names": 0}, "max_names is 0: set it to 1 or more."),
        (b"a\0", {"paths": ["relative"]}, "'relative' in paths is not an absolute path"),
        (b"a\0", {"paths": ["/proc/none"]}, "/proc/none cannot be read: No such file"),
        (b"a\0", {"list": "/proc/none/list"}, "The list /proc/none/list cannot be read"),
    ],
)
def test_what_cannot_be_looked_up_is_one_sentence(
    call: Call, tmp_path: Path, content: bytes, options: dict[str, object], sentence: str
) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(content)
    listed.chmod(0o600)
    given_options = {"list": str(listed), "paths": [str(tmp_path)], **options}
    result = call("qumulo_changelist_copy_info", **given_options)
    assert result["failed"] is True
    assert sentence in result["msg"]


def test_a_list_that_others_can_change_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"a\0")
    listed.chmod(0o666)
    with pytest.raises(InputError, match="not safe to use"):
        presence.look_up(str(listed), [str(tmp_path)], limit=200)
