# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options with a null value: Ansible takes them for options that were left out.

``user: "{{ holder | default(none) }}"`` would close everybody's handles where ``holder`` is not
defined. So a value that is null is refused, and a template that has one must use ``omit``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def take_out(params: dict[str, Any], names: Collection[str]) -> None:
    """Remove options that are null, so that they count as not set.

    :param names: the options for which null has this meaning.
    """
    for name in names:
        if name in params and params[name] is None:
            del params[name]


def problem(spec: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> str | None:
    """Return a sentence about the first option that is null, or None.

    :param params: as the task gives them.
    """
    for name in _nulls(spec, params):
        return (
            f"'{name}' is null, which would count as left out: give it a value, or write "
            "default(omit) in a template to leave the option out."
        )
    return None


def _nulls(
    spec: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any], within: str = ""
) -> Iterator[str]:
    for option, declared in spec.items():
        for given in (option, *declared.get("aliases", ())):
            if given not in params:
                continue
            value, name = params[given], within + given
            if value is None:
                yield name
            elif "options" in declared:
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, Mapping):
                        yield from _nulls(declared["options"], each, f"{name}.")
