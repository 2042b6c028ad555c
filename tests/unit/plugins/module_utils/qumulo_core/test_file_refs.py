# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References to files: paths and IDs are never mixed up."""

from __future__ import annotations

import re

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    FileRef,
    by_id,
    by_options,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

#: Digits to Python, but not to the cluster.
OTHER_DIGITS = ("²", "٢", "２")


@pytest.mark.parametrize("path", ["/", "/2", "/a,b", "/a\n", "/ü", "/{{ x }}", "/\udcff"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    assert by_path(path) == FileRef(path, is_path=True)
    assert "/" not in by_path(path).quoted and str(by_path(path)) == path


@pytest.mark.parametrize("path", ["", "2", "a/b", " /a", "-", "{{ x }}", "../a", "\n/a"])
def test_another_text_is_not_a_path(path: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{path}' is not an absolute path")):
        by_path(path)
    with pytest.raises(ValueError, match="is not a path"):
        FileRef(path, is_path=True)


def test_digits_for_a_path_lead_to_the_option_for_ids() -> None:
    with pytest.raises(InputError, match="or give an ID as file_id"):
        by_path("2")
    with pytest.raises(InputError, match=r"in 'rules\[1\].path' with a slash\.$"):
        by_path("a", "rules[1].path")


@pytest.mark.parametrize("file_id", ["2", "0", "9" * 40])
def test_an_id_has_any_number_of_digits(file_id: str) -> None:
    assert by_id(file_id) == FileRef(file_id, is_path=False)
    assert by_id(file_id).quoted == file_id


@pytest.mark.parametrize("file_id", ["", "-2", "+2", " 2", "2\n", "2,3", "0x2", *OTHER_DIGITS])
def test_another_text_is_not_an_id(file_id: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{file_id}' is not a file ID")):
        by_id(file_id)
    with pytest.raises(ValueError, match="is not a file ID"):
        FileRef(file_id, is_path=False)


def test_a_path_for_an_id_leads_to_the_option_for_paths() -> None:
    with pytest.raises(InputError, match="or give a path as path"):
        by_id("/2")


def test_options_are_not_mixed() -> None:
    assert by_options(["/2"], ["2"]) == [by_path("/2"), by_id("2")]
    with pytest.raises(InputError, match="absolute path"):
        by_options(["2"], [])
    with pytest.raises(InputError, match="file ID"):
        by_options([], ["/2"])


def test_a_path_is_spelled_as_the_cluster_does() -> None:
    assert by_path("//a/./b/") == by_path("/a/b")
    with pytest.raises(InputError, match=r"'rules\[1\].path': '/a/\.\./b' contains"):
        by_path("/a/../b", "rules[1].path")
