# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed import (
    config as change_feed_config,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.paths import (
    normalize,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.globs import PathFilter
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (
    HandleFilter,
)

NAMES = st.text(min_size=1).filter(
    lambda name: "/" not in name and "\0" not in name and name not in (".", "..")
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/.", "/"),
        ("//finance", "/finance"),
        ("/finance/.", "/finance"),
        ("/finance/", "/finance"),
        ("/./finance//a", "/finance/a"),
        ("/finance/...", "/finance/..."),
        ("/finance/.a", "/finance/.a"),
        ("/Smith,2", "/Smith,2"),
        ("/a ", "/a "),
        ("/a\n", "/a\n"),
    ],
)
def test_paths_are_spelled_as_the_cluster_spells_them(path, expected):
    assert normalize(path) == expected


@pytest.mark.parametrize("path", ["", "finance", "./finance", "/a/../b", "/..", "/a\0b", " /a"])
def test_paths_that_name_nothing_are_refused(path):
    with pytest.raises(InputError):
        normalize(path)


def test_the_message_names_the_option():
    with pytest.raises(InputError, match=r"^'directory' must begin with a slash: 'a'\.$"):
        normalize("a", option="directory")
    with pytest.raises(InputError, match=r"^'directory': '/a/\.\.' contains '\.\.'"):
        normalize("/a/..", option="directory")


@given(st.lists(NAMES), st.lists(st.sampled_from(["/", "//", "/./"]), min_size=1))
def test_only_slashes_and_dots_are_dropped(names, separators):
    written = "".join(
        separators[index % len(separators)] + name for index, name in enumerate(names)
    )
    path = "/" + "/".join(names)
    assert normalize(written + separators[0]) == path
    assert normalize(path) == path


def test_a_directory_filter_takes_any_spelling():
    for directory in ("//finance", "/finance/.", "/finance/", "/./finance"):
        assert HandleFilter.make(directories=[directory]).directories == ("/finance",)
    assert HandleFilter.make(directories=["/."]).directories == ("",)


@pytest.mark.parametrize("pattern", ["//finance/*", "/finance/./*", "../*", "/a/..", "tmp/", "."])
def test_patterns_that_no_path_matches_are_refused(pattern):
    with pytest.raises(InputError, match="matches nothing, because no path contains"):
        PathFilter([pattern])
    with pytest.raises(InputError, match="matches nothing"):
        PathFilter(exclude=[pattern])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [(".*", "/a/.b"), ("..a", "/..a"), ("/a/...", "/a/..."), ("/", "/"), ("a/**", "/a/b")],
)
def test_patterns_with_dots_match(pattern, path):
    assert PathFilter([pattern]).matches(path)


@pytest.mark.parametrize("path", ["//w", "/w/.", "/w/", "/./w"])
def test_services_take_any_spelling_of_a_directory(path):
    assert (
        change_feed_config.parse({"path": path, "host": ["127.0.0.1"]}, {}).directory.text == "/w"
    )
