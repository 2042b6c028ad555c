# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.globs import (
    PathFilter,
    Unmatched,
    is_literal,
)

NAMES = st.text(min_size=1).filter(lambda name: "/" not in name and name not in (".", ".."))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.tmp", "/a/b/c.tmp", True),
        ("*.tmp", "/a/b.tmp/c", False),
        ("~$*", "/a/~$Budget.xlsx", True),
        (".DS_Store", "/a/.DS_Store", True),
        ("/a/*.txt", "/a/b.txt", True),
        ("/a/*.txt", "/a/b/c.txt", False),
        ("/a/**/*.txt", "/a/b/c/d.txt", True),
        ("/a/**/*.txt", "/a/d.txt", True),
        ("/a/**", "/a/b/c", True),
        ("b/*.txt", "/x/a/b/c.txt", True),
        ("b/*.txt", "/x/ab/c.txt", False),
        ("file?.txt", "/file1.txt", True),
        ("file?.txt", "/file/.txt", False),
        ("[ab].txt", "/a.txt", True),
        ("[!ab].txt", "/a.txt", False),
        ("[!ab].txt", "/c.txt", True),
        ("[.txt", "/[.txt", True),
        ("urgent[!].txt", "/urgent[!].txt", True),
        ("urgent[!].txt", "/urgenta.txt", False),
        ("[!]a].txt", "/b.txt", True),
        ("[!]a].txt", "/].txt", False),
        ("[!]a].txt", "/a.txt", False),
        ("[!-a].txt", "/Z.txt", True),
        ("[!-a].txt", "/-.txt", False),
        ("[]a].txt", "/].txt", True),
        ("a.c", "/abc", False),
        ("A.txt", "/a.txt", False),
        ("*.txt", "/a\n.txt", True),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert PathFilter([pattern]).matches(path) is expected


def test_without_patterns_everything_is_meant() -> None:
    assert PathFilter().matches("/anything")


def test_exclude_wins() -> None:
    assert not PathFilter(["*.txt"], ["draft*"]).matches("/draft.txt")


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(InputError):
        PathFilter([""])


@given(st.text("ab]![-*?", max_size=7), st.text("ab]![-", min_size=1, max_size=4))
def test_patterns_of_a_name_mean_what_they_mean_in_python(pattern: str, name: str) -> None:
    if not pattern or "**" in pattern:
        return
    try:
        wanted = PathFilter([pattern])
    except InputError:
        return  # a range that goes backwards
    assert wanted.matches(f"/{name}") is fnmatchcase(name, pattern)


@given(NAMES)
def test_a_star_matches_every_name(name: str) -> None:
    assert PathFilter(["*"]).matches(f"/a/{name}")
    assert PathFilter(["/a/*"]).matches(f"/a/{name}")
    assert not PathFilter(["/b/**"]).matches(f"/a/{name}")


@given(st.text(min_size=1), st.text())
def test_any_pattern_compiles_or_is_refused(pattern: str, path: str) -> None:
    try:
        PathFilter([pattern]).matches(path)
    except InputError as error:
        assert "\n" not in str(error) or "\n" in pattern


@given(NAMES.filter(lambda name: not set(name) & set("*?[")))
def test_a_pattern_without_wildcards_is_the_name(name: str) -> None:
    assert PathFilter([name]).matches(f"/x/{name}")
    assert not PathFilter([name]).matches(f"/x/{name}y")


@pytest.mark.parametrize(
    ("pattern", "root", "path", "meant"),
    [
        ("cache", "/p", "/p/cache/a.bin", False),
        ("cache", "/p", "/p/x/cache/y/a.bin", False),
        ("cache", "/p", "/p/cache.d/a.bin", True),
        ("/p/x", "/p", "/p/x/y/a", False),
        ("x/y", "/p", "/p/x/y/z/a", False),
        ("*.tmp", "/p", "/p/b.tmp/c", False),
        ("projects", "/projects/apollo", "/projects/apollo/a", True),
        ("apollo", "/projects/apollo", "/projects/apollo/a", True),
        ("apollo", "/projects/apollo", "/projects/apollo/apollo/a", False),
        ("/projects", "/projects/apollo", "/projects/apollo/a", True),
        ("/projects/apollo", "/projects/apollo", "/projects/apollo/b/a", False),
        ("cache", "/", "/cache/a", False),
        ("cache", "/", "/a", True),
        ("cache", "/p/", "/p/a", True),
    ],
)
def test_an_excluded_directory_excludes_what_is_below_it(
    pattern: str, root: str, path: str, meant: bool
) -> None:
    assert PathFilter((), [pattern]).below([root]).matches(path) is meant


PARTS = st.sampled_from(["a", "b", "ab", "a.tmp", "["])
PATTERNS = st.lists(
    st.sampled_from(["a", "b", "ab", "*", "?", "*.tmp", "[ab]", "/a", "/a/b", "a/b", "**/b", "["]),
    min_size=1,
    max_size=2,
)


@given(PATTERNS, st.lists(PARTS, max_size=2), st.lists(st.lists(PARTS, min_size=1), min_size=1))
def test_no_file_below_an_excluded_directory_is_meant(
    patterns: list[str], above: list[str], below: list[list[str]]
) -> None:
    root = "".join(f"/{part}" for part in above)
    tree = PathFilter((), patterns).below([root or "/"])
    alone = PathFilter(patterns)
    for parts in below:
        places = [root + "".join(f"/{p}" for p in parts[:n]) for n in range(1, len(parts) + 1)]
        excluded = any(map(alone.matches, places))
        whole = [pattern for pattern in patterns if pattern.startswith("/")]
        excluded = excluded or bool(whole and PathFilter(whole).matches(root or "/"))
        assert tree.matches(places[-1]) is not excluded


def test_a_slash_at_the_end_is_refused_with_what_to_write() -> None:
    with pytest.raises(InputError, match="write 'sub', which as an exclude pattern also"):
        PathFilter((), ["sub/"])


@pytest.mark.parametrize(
    ("pattern", "literal"), [("a", True), ("[", True), ("[!]", True), ("[a]", False), ("a?", False)]
)
def test_a_literal_has_no_wildcard(pattern: str, literal: bool) -> None:
    assert is_literal(pattern) is literal


def test_names_that_match_nothing_are_named_once() -> None:
    unmatched = Unmatched(["f1,f2", "f1\nf2", "f1 ", "[", "/b/g", "f1", "*.x", ".DS_Store", "["])
    unmatched.see("/a/f1")
    (sentence,) = unmatched.warnings()
    assert "'f1,f2', 'f1\\nf2', 'f1 ', '[', '/b/g'. Check" in sentence
    found = Unmatched(["f1"])
    found.see("/a/f1")
    assert found.warnings() == [] == Unmatched(()).warnings()
