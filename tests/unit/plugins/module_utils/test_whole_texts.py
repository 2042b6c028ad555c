# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module makes of a text before Ansible sees it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils._whole_texts import prepare

SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "list", "elements": "str", "aliases": ["paths"]},
    "dest": {"type": "list", "elements": "path"},
    "host": {"type": "list", "elements": "str"},
    "access": {"type": "list", "elements": "str", "choices": ["read", "write"]},
    "ids": {"type": "list", "elements": "int"},
    "name": {"type": "str"},
    "untyped": {},
    "password": {"type": "str", "no_log": True},
    "keep": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "flag": {"type": "bool"},
}


@pytest.mark.parametrize("text", ["/a,b", ",", "a\nb", " ", "['a']", "{{ x }}", "2", "a, b"])
@pytest.mark.parametrize("option", ["path", "paths", "dest"])
def test_a_text_for_a_list_is_one_element(option: str, text: str) -> None:
    prepared = prepare(SPEC, {option: text})
    assert prepared.problem is None
    assert prepared.params == {option: [text]}


def test_a_list_and_numbers_stay_as_they_are() -> None:
    assert prepare(SPEC, {"path": ["a,b", 4711]}).params == {"path": ["a,b", "4711"]}
    assert prepare(SPEC, {"path": 4711}).params == {"path": ["4711"]}
    assert prepare(SPEC, {"path": []}).params == {"path": []}
    assert prepare(SPEC, {"path": None}).params == {}


@pytest.mark.parametrize("option", ["host", "access", "ids", "keep", "state", "flag", "name"])
def test_other_options_are_left_to_ansible(option: str) -> None:
    prepared = prepare(SPEC, {option: "a,b"})
    assert prepared.params == {} and prepared.problem is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "'path' holds an empty text, which names nothing: leave it out."),
        (["a", ""], "'path' holds an empty text, which names nothing: leave it out."),
        (True, "'path' must hold text, and True is not: put it into quotes."),
        ([False], "'path' must hold text, and False is not: put it into quotes."),
        (1.5, "'path' must hold text, and 1.5 is not: put it into quotes."),
        ({"a": 1}, "'path' must hold text, and a dictionary is not: write each value by itself."),
        ([{}], "'path' must hold text, and a dictionary is not: write each value by itself."),
        ([["a"]], "'path' must hold text, and a list is not: write each value by itself."),
        (["a", None], "'path' must hold text, and null is not: write each value by itself."),
    ],
)
def test_what_is_no_text_is_refused(value: Any, told: str) -> None:
    assert prepare(SPEC, {"path": value}).problem == told


@pytest.mark.parametrize("option", ["name", "untyped"])
@pytest.mark.parametrize("value", [True, 1.10, ["a"], {"a": 1}])
def test_a_single_text_is_no_other_value(option: str, value: Any) -> None:
    told = prepare(SPEC, {option: value}).problem
    assert told is not None and told.startswith(f"'{option}' must hold text")
    assert prepare(SPEC, {option: ""}).problem is None


def test_a_secret_is_not_shown() -> None:
    told = prepare(SPEC, {"password": 17.25}).problem
    assert told == "'password' must hold text, and that is not: put it into quotes."


def test_a_list_that_was_split_after_all_is_noticed() -> None:
    prepared = prepare(SPEC, {"paths": "a,b"})
    assert prepared.kept_in({"path": ["a,b"]})
    assert not prepared.kept_in({"path": ["a", "b"]})
    assert not prepared.kept_in({"path": None})
