# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a configuration a reload takes into use: marked at its fields, and only there.

The roles restart a service if any other option changes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

_LOG = logging.getLogger(__name__)
_OPTIONS, _RELOADED = "lockstep_options", "lockstep_reloaded"

Config = TypeVar("Config", bound=Any)


def reloaded(*options: str) -> dict[str, Any]:
    """Return metadata of a field whose value counts from a reload on.

    :param options: that make up the value; the field's own name if there are none.
    """
    return {_OPTIONS: options, _RELOADED: True}


def at_start(*options: str) -> dict[str, Any]:
    """Return metadata of a field whose value counts from a start on, and whose options have other
    names."""
    return {_OPTIONS: options}


def options_of(one: Field[Any]) -> tuple[str, ...]:
    """Return the options that make up the value of a field."""
    options: tuple[str, ...] = one.metadata.get(_OPTIONS) or (one.name,)
    return options


def is_reloaded(one: Field[Any]) -> bool:
    """Tell whether a reload takes a field into use."""
    return bool(one.metadata.get(_RELOADED))


def reloaded_options(kind: type) -> set[str]:
    """Return the options that a reload takes into use."""
    return _options(one for one in fields(kind) if is_reloaded(one))


def all_options(kind: type) -> set[str]:
    """Return all options of a configuration."""
    return _options(fields(kind))


def _options(some: Iterable[Field[Any]]) -> set[str]:
    return {option for one in some for option in options_of(one)}


def merge(present: Config, fresh: Config) -> Config:
    """Return the configuration in use after a reload, and log what needs a restart."""
    kept = {}
    for one in fields(present):
        if is_reloaded(one):
            continue
        kept[one.name] = getattr(present, one.name)
        if getattr(fresh, one.name) != kept[one.name]:
            named = " or ".join(f"'{option}'" for option in options_of(one))
            _LOG.warning("%s has changed, and counts after a restart", named)
    return replace(fresh, **kept)
