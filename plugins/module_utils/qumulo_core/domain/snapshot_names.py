# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of snapshots, as users write them: with or without the leading ID."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import ConflictError, InputError
from ..files import FileInfo
from ..snapshots import Snapshot, of_name

_FULL = re.compile(r"\d+_(.+)", re.DOTALL)


def of_full_name(known: Sequence[Snapshot], name: str, source: FileInfo) -> Snapshot | None:
    """Return the snapshot of a directory that has a full name, such as ``9_nightly``.

    :param known: the snapshots of the cluster.
    :return: None if no snapshot has this full name.
    :raises InputError: it is of another directory.
    :raises ConflictError: it is also the name (without the ID) of another snapshot.
    """
    found = next((snapshot for snapshot in known if snapshot.name == name), None)
    if found is None:
        return None
    if found.source_id != source.id:
        raise InputError(
            f"'{name}' is a snapshot of {found.source_path}, not of {source.path}: "
            f"set 'path' to {found.source_path}."
        )
    others = of_name(known, name, source.id)
    if others:
        raise ConflictError(
            f"'{name}' names two snapshots, {found.name} and {others[0].name}: "
            "give the ID of the one that you mean."
        )
    return found


def check_new(known: Sequence[Snapshot], name: str, source: FileInfo) -> None:
    """Refuse a new snapshot whose name looks like the full name of one in an existing series.

    ``9_nightly`` would become ``10_9_nightly``. A name such as ``2026_budget`` is accepted unless
    the directory has a snapshot called ``budget``.

    :raises InputError: the name without the number is that of a snapshot of the directory.
    """
    match = _FULL.fullmatch(name)
    if match and of_name(known, match.group(1), source.id):
        raise InputError(
            f"{source.path} has no snapshot '{name}', but has snapshots called '{match.group(1)}': "
            "give the name without the ID, which the cluster puts in front."
        )
