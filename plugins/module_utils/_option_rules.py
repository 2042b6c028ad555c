# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reject options that would have no effect with the other options of a task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .qumulo_core.errors import InputError


@dataclass(frozen=True)
class Options:
    """The options of a module run.

    :param params: values, including defaults.
    :param named: names of the options that the task sets.
    :param spec: the argument specification.
    """

    params: Mapping[str, Any]
    named: Collection[str]
    spec: Mapping[str, Mapping[str, Any]]

    def given(self, name: str) -> bool:
        """Tell whether the task sets an option to a value that should have an effect.

        Null, an empty list, and false where it is the default have none.
        """
        value = self.params[name]
        if name not in self.named or value is None or value == []:
            return False
        return value is not False or self.spec[name].get("default") is True


@dataclass(frozen=True)
class Needs:
    """Options that need another option.

    :param options: names of options without aliases.
    :param other: the option that must be set, by the task or by default.
    :param values: values of it that are allowed; if empty, any value except false.
    :param when: an option and its value for which the rule applies; None: always.
    """

    options: tuple[str, ...]
    other: str
    values: tuple[str, ...] = ()
    when: tuple[str, str] | None = None

    def problem(self, options: Options) -> str | None:
        """Return why the options cannot be combined, or None."""
        if self.when is not None and options.params[self.when[0]] != self.when[1]:
            return None
        value = options.params[self.other]
        if value in self.values if self.values else value not in (None, False):
            return None
        wanted = self.other
        if self.values:
            *others, last = self.values
            wanted += f": {', '.join(others)} or {last}" if others else f": {last}"
            wanted += "" if value is None else f" (it is {value})"
        elif value is False:
            wanted = f"{self.other}: true"
        for name in self.options:
            if options.given(name):
                return f"{name} has no effect without {wanted}: set that, or leave {name} out."
        return None


@dataclass(frozen=True)
class Excludes:
    """Options that another option excludes.

    :param options: names of options without aliases.
    :param other: the option that must not be set.
    :param values: values of it that are not allowed; if empty, any value except false.
    """

    options: tuple[str, ...]
    other: str
    values: tuple[str, ...] = ()

    def problem(self, options: Options) -> str | None:
        """Return why the options cannot be combined, or None."""
        value = options.params[self.other]
        if value not in self.values if self.values else value in (None, False):
            return None
        what = f"{self.other}: {value}" if self.values else self.other
        for name in self.options:
            if options.given(name):
                return f"{name} has no effect with {what}: leave one of the two out."
        return None


Rule = Union[Needs, Excludes]


def check(options: Options, rules: Sequence[Rule]) -> None:
    """Reject options that would have no effect.

    :raises InputError: an option breaks a rule.
    """
    for rule in rules:
        problem = rule.problem(options)
        if problem is not None:
            raise InputError(problem)
