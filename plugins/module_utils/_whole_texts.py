# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare options that hold strings: a string is one value, whatever it contains.

Ansible splits a string at its commas where an option takes a list, turns dictionaries into strings,
and reads ``yes`` and ``1.10`` as other types before a module sees them. A changed name would mean
another file, so these values are prepared or refused before Ansible validates them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Options that can hold several values in one string, because their values contain no commas.
SPLITTABLE = ("host",)
_TEXT_TYPES = ("str", "path")
_NUMBER_TYPES = ("int", "float")


@dataclass
class Prepared:
    """Parameters to validate instead of those that were given.

    :param params: the values that differ, by the names that the task uses.
    :param lists: values of each list option, by the option's own name.
    :param problem: one sentence about the first value that is refused.
    """

    params: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    problem: str | None = None

    def kept_in(self, validated: Mapping[str, Any]) -> bool:
        """Tell whether validation has kept each list as long as it was."""
        return self.problem is not None or all(
            len(validated[name] or ()) == len(values) for name, values in self.lists.items()
        )


def prepare(spec: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> Prepared:
    """Return the parameters with each string for a list in a list of one element."""
    prepared = Prepared()
    for option, given, value in _given(spec, params):
        declared = spec[option]
        if _is_text_list(declared) and option not in SPLITTABLE:
            values = value if isinstance(value, (list, tuple)) else [value]
            problem = _problem(declared, values)
            if problem is None and "" in values:
                problem = "holds an empty text, which names nothing: leave it out"
            if problem is None:
                prepared.params[given] = [str(each) for each in values]
                prepared.lists[option] = prepared.params[given]
        elif declared.get("type", "str") in _TEXT_TYPES and not declared.get("choices"):
            problem = _problem(declared, [value])
        elif declared.get("type") in _NUMBER_TYPES and isinstance(value, bool):
            # Ansible would take it for 1 or 0.
            problem = f"must hold a number, and {value!r} is not"
        else:
            continue
        if problem is not None and prepared.problem is None:
            prepared.problem = f"'{option}' {problem}."
    return prepared


def _given(
    spec: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Yield each value of the task: the option, the name that was used, and the value."""
    for option, declared in spec.items():
        for given in (option, *declared.get("aliases", ())):
            if params.get(given) is not None:
                yield option, given, params[given]


def _is_text_list(declared: Mapping[str, Any]) -> bool:
    # Choices are words without commas, and Ansible refuses anything else.
    return (
        declared.get("type") == "list"
        and declared.get("elements", "str") in _TEXT_TYPES
        and not declared.get("choices")
    )


def _problem(declared: Mapping[str, Any], values: Iterable[Any]) -> str | None:
    for value in values:
        if isinstance(value, (bool, float)):
            shown = "that" if declared.get("no_log") else repr(value)
            return f"must hold text, and {shown} is not: put it into quotes"
        if value is None or isinstance(value, (Mapping, list, tuple)):
            kind = (
                "null"
                if value is None
                else "a dictionary"
                if isinstance(value, Mapping)
                else "a list"
            )
            return f"must hold text, and {kind} is not: write each value by itself"
    return None
