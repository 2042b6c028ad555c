# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the cluster about some entries of a list, in parallel, and keeps the order of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..client import Client
from ..pool import map_ordered
from .entries import Entry

#: Entries without a question that go through the pool together: each hand-over between threads
#: costs as much as a small request does.
_TOGETHER = 32


def ask(
    client: Client,
    found: Iterable[Entry],
    needs: Callable[[Entry], bool],
    work: Callable[[Client, Entry], Entry | None],
    *,
    workers: int,
) -> Iterator[Entry]:
    """Yield entries in order, those that need it as ``work`` answers; None leaves one out.

    :raises QumuloError: of the first entry that ``work`` ended with one for.
    """

    def questions() -> Iterator[list[Entry]]:
        passing: list[Entry] = []
        for entry in found:
            if not needs(entry):
                passing.append(entry)
                if len(passing) < _TOGETHER:
                    continue
            if passing:
                yield passing
                passing = []
            if needs(entry):
                yield [entry]
        if passing:
            yield passing

    def answer(own: Client, together: list[Entry]) -> list[Entry]:
        if not needs(together[0]):
            return together
        answered = work(own, together[0])
        return [] if answered is None else [answered]

    for outcome in map_ordered(client, answer, questions(), workers=workers):
        if outcome.error is not None:
            raise outcome.error
        yield from outcome.value or ()
