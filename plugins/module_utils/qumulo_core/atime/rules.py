# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which audit records count as a use of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from ..audit_log import OK, AuditRecord
from ..common.addresses import is_within, parse_network
from ..domain.log_words import OPERATIONS, READ, WRITE, check_operations, protocol_filter
from ..errors import InputError
from ..globs import PathFilter
from .readers import user_filter

#: What reads a file, a directory or a symbolic link.
READS = tuple(name for name, kind in OPERATIONS.items() if kind == READ)
#: What writes into a file; POSIX does not count that, some sites do.
WRITES = tuple(name for name, kind in OPERATIONS.items() if kind == WRITE)
_SNAPSHOTS = "/.snapshot"
#: Different readers of which the answer is remembered.
_READERS = 65_536


class Skip(Enum):
    """Why a record does not count."""

    OPERATION = "operation"
    STATUS = "status"
    #: It was read in a snapshot, whose files never change.
    SNAPSHOT = "snapshot"
    PATH = "path"
    READER = "reader"


@dataclass(frozen=True)
class Rules:
    """What counts; everything empty but the operations counts every reader of every path.

    :param operations: operations on files, as they stand in the audit log.
    :param include_prefixes: directories; with what is below them.
    :param exclude_prefixes: win over everything included.
    :param include_globs: patterns as :class:`~..globs.PathFilter` has them.
    :param exclude_globs: win over everything included.
    :param users: users that do not count, as :func:`.readers.parse_reader` has them.
    :param networks: clients that do not count: addresses or networks such as ``10.1.0.0/16``.
    :param protocols: protocols that do not count: ``nfs`` is each of its versions.
    :param own: the account of the syncer itself, as ``users``.
    """

    operations: tuple[str, ...] = READS
    include_prefixes: tuple[str, ...] = ()
    exclude_prefixes: tuple[str, ...] = ()
    include_globs: tuple[str, ...] = ()
    exclude_globs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


def compile_rules(rules: Rules) -> Callable[[AuditRecord], Skip | None]:
    """Return a function that tells why a record does not count, or None if it does.

    :raises InputError: a rule makes no sense.
    """
    if not rules.operations:
        raise InputError("No operation counts: name some, or leave the option out.")
    check_operations(rules.operations)
    operations = frozenset(rules.operations)
    path_counts = _compile_paths(rules)
    reader_counts = _compile_readers(rules)

    def judge(record: AuditRecord) -> Skip | None:
        if record.operation not in operations:
            return Skip.OPERATION
        if record.status != OK:
            return Skip.STATUS
        path = record.path
        if path[:1] != "/":
            return Skip.PATH
        if _SNAPSHOTS in path and (f"{_SNAPSHOTS}/" in path or path.endswith(_SNAPSHOTS)):
            return Skip.SNAPSHOT
        if reader_counts is not None and not reader_counts(
            record.user, record.user_ip, record.protocol, record.auth_id, record.sid
        ):
            return Skip.READER
        if path_counts is not None and not path_counts(path):
            return Skip.PATH
        return None

    return judge


# -- paths ----------------------------------------------------------------------------------


class _Prefixes:
    """Directories and what is below them."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        cleaned = [_prefix(text) for text in prefixes]
        self._exact = frozenset(cleaned)
        self._above = tuple(f"{text}/" for text in cleaned)

    def match(self, path: str) -> bool:
        return path.startswith(self._above) or path in self._exact


def _prefix(text: str) -> str:
    """Return a directory without slashes at its end: nothing at all for the root."""
    parts = text.split("/")
    if parts[0] or len(parts) < 2 or "." in parts or ".." in parts or "" in parts[1:-1]:
        raise InputError(
            f"'{text}' is no directory of the cluster: write its whole path, as /projects/films."
        )
    return text.rstrip("/")


def _compile_paths(rules: Rules) -> Callable[[str], bool] | None:
    tests_in: list[Callable[[str], bool]] = []
    tests_out: list[Callable[[str], bool]] = []
    for prefixes, globs, tests in (
        (rules.include_prefixes, rules.include_globs, tests_in),
        (rules.exclude_prefixes, rules.exclude_globs, tests_out),
    ):
        if prefixes:
            tests.append(_Prefixes(prefixes).match)
        if globs:
            tests.append(PathFilter(globs).matches)
    if not (tests_in or tests_out):
        return None

    def counts(path: str) -> bool:
        for test in tests_out:
            if test(path):
                return False
        for test in tests_in:
            if test(path):
                return True
        return not tests_in

    return counts


# -- readers --------------------------------------------------------------------------------


def _compile_readers(rules: Rules) -> Callable[[str, str, str, str, str], bool] | None:
    if not (rules.users or rules.own or rules.networks or rules.protocols):
        return None
    is_user = user_filter((*rules.users, *rules.own))
    is_protocol = protocol_filter(rules.protocols)
    networks = [parse_network(text, strict=True) for text in rules.networks]

    # Few readers do nearly all the reading: each is looked at once.
    @lru_cache(maxsize=_READERS)
    def counts(user: str, address: str, protocol: str, auth_id: str, sid: str) -> bool:
        if is_protocol(protocol):
            return False
        if is_user is not None and is_user(user, protocol, auth_id, sid):
            return False
        return not any(is_within(address, network) for network in networks)

    return counts
