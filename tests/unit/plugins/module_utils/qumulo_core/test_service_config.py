# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of services: each mistake is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service import config
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
)

pytest.importorskip("yaml")


def refused(act: Any) -> str:
    with pytest.raises(InputError) as caught:
        act()
    return caught.value.message


def test_values_come_as_they_are_meant() -> None:
    with Section(
        {
            "text": "a",
            "number": 1.5,
            "count": 3,
            "flag": True,
            "one": "x",
            "many": ["x", 2],
            "seconds": 90,
            "span": "5min",
            "below": {"deep": "y"},
            "rules": [{"a": "1"}, {"a": "2"}],
        }
    ) as section:
        assert section.text("text") == "a"
        assert section.number("number", least=0, most=2) == 1.5
        assert section.integer("count", least=1, most=3) == 3
        assert section.flag("flag") is True
        assert section.texts("one") == ("x",)
        assert section.texts("many") == ("x", "2")
        assert section.span("seconds") == timedelta(seconds=90)
        assert section.span("span") == timedelta(minutes=5)
        assert section.section("below").text("deep") == "y"
        assert [rule.text("a") for rule in section.sections("rules")] == ["1", "2"]
        assert section.text("absent", "default") == "default"
        assert section.optional_text("absent") is None
        assert section.optional_integer("absent", least=0, most=1) is None


@pytest.mark.parametrize(
    ("data", "act", "told"),
    [
        ({"a": 1}, lambda s: s.flag("a"), "'a' must be true or false, not 1"),
        ({"a": True}, lambda s: s.integer("a", least=0, most=5), "whole number from 0 to 5"),
        ({"a": 6}, lambda s: s.integer("a", least=0, most=5), "not 6"),
        ({"a": "6"}, lambda s: s.number("a", least=0, most=5), "a number from 0 to 5"),
        ({"a": " "}, lambda s: s.text("a"), "not empty"),
        ({"a": ["b"]}, lambda s: s.text("a"), "must be a text"),
        ({"a": [{}]}, lambda s: s.texts("a"), "list of texts"),
        ({}, lambda s: s.text("a"), "'a' is missing"),
        ({"a": None}, lambda s: s.text("a"), "'a' is missing"),
        ({"a": "7 bananas"}, lambda s: s.span("a"), "'a'"),
        ({"a": -1}, lambda s: s.span("a"), "30s, 5min or 2h"),
        ({"a": "999999w"}, lambda s: s.span("a"), "30s, 5min or 2h"),
        ({"a": "5m"}, lambda s: s.span("a"), "'a': '5m' could be minutes or months"),
        ({"a": "0s"}, lambda s: s.span("a", positive=True), "'a' must be greater than zero"),
        ({"a": "6m"}, lambda s: s.calendar_span("a"), "'a': '6m' could be minutes or months"),
        ({"a": 6}, lambda s: s.calendar_span("a"), "'a': '6' is not a span of time"),
        ({}, lambda s: s.calendar_span("a"), "'a' is missing"),
        ({"a": []}, lambda s: list(s.sections("a")), "at least one entry"),
        ({"a": ["x"]}, lambda s: list(s.sections("a")), "a[1] must be a mapping"),
        ({"a": "x"}, lambda s: s.choice("a", ("y", "z")), "one of y, z"),
    ],
)
def test_a_wrong_value_is_named(data: Any, act: Any, told: str) -> None:
    assert told in refused(lambda: act(Section(data)))


def test_a_misspelt_option_is_not_a_silent_default() -> None:
    section = Section({"retenton": "30d"}, "rules[1]")
    section.optional_text("retention")
    assert refused(section.finish) == (
        "'rules[1].retenton' is not an option: did you mean 'retention'?"
    )
    other = Section({"zzz": 1})
    other.has("host")
    assert "there are host" in refused(other.finish)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is not YAML"),
        ("a: 2026-13-45", "has a value that can not be read (month must be in 1..12)"),
        ("a: !!timestamp x", "put texts into quotes"),
        ("a: !!bool x", "put texts into quotes"),
        ("a: " + "[" * 5000, "put texts into quotes"),
        ("- a", "must be a mapping"),
        ("a: !!python/name:os.system x", "YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "c.yml"
    path.write_text(text)
    assert told in refused(lambda: config.load(str(path)))


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    assert "Cannot read the configuration" in refused(lambda: config.load(str(tmp_path / "none")))
    large = tmp_path / "large"
    large.write_bytes(b"#" * (config.MAX_BYTES + 1))
    assert "larger than" in refused(lambda: config.load(str(large)))


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret \n")
    (tmp_path / "access_token").write_text("access-v1:x\n")
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    by_name = config.cluster(Section({"host": "a", "username": "u"}), given)
    assert by_name.password == "s3cret "
    assert by_name.access_token_file is None
    by_token = config.cluster(Section({"host": ["a", "b"]}), given)
    assert by_token.access_token_file == str(tmp_path / "access_token")
    assert by_token.hosts == ("a", "b")
    named = config.cluster(
        Section({"host": "a", "username": "u", "password_file": str(tmp_path / "password")}), {}
    )
    assert named.password == "s3cret "
    assert "s3cret" not in repr(named)


def test_secrets_that_lack_are_named(tmp_path: Path) -> None:
    assert "no password for u" in refused(
        lambda: config.cluster(Section({"host": "a", "username": "u"}), {})
    )
    assert "exclude" in refused(
        lambda: config.cluster(
            Section({"host": "a", "username": "u", "access_token_file": "t"}), {}
        )
    )
    empty = tmp_path / "empty"
    empty.touch()
    for path, told in ((empty, "is empty"), (tmp_path / "none", "Cannot read")):
        data = {"host": "a", "username": "u", "password_file": str(path)}
        assert told in refused(lambda data=data: config.cluster(Section(data), {}))
