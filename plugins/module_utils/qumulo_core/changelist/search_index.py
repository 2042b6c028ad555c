# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a list in the bulk format to a search index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..common.safe_paths import opened_list
from ..domain.paths import normalize
from ..errors import BusyError, ConflictError, InputError, InvalidRequestError, ProtocolError
from . import index_mapping
from .index_mapping import Feed
from .search_client import NDJSON, Connection, error_of, error_type
from .search_engine import Engine

#: Hosted engines refuse requests of more than 10 MB, others of more than 100 MB.
REQUEST_BYTES = 8 * 1024 * 1024
LEAST_BYTES, MOST_BYTES = 64 * 1024, 100 * 1024 * 1024
REQUEST_ENTRIES, MOST_ENTRIES = 10_000, 100_000
_DELETE = "delete"
_ACTIONS = ("index", "create", "update", _DELETE)
_ANSWER = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
_EXAMPLES = 3


@dataclass(frozen=True)
class Bulk:
    """The body of one request, and the actions in it."""

    body: bytes
    actions: list[str]


@dataclass
class Sent:
    """Counts of what was sent."""

    indexed: int = 0
    deleted: int = 0
    requests: int = 0

    @property
    def entries(self) -> int:
        """All entries."""
        return self.indexed + self.deleted


def requests_of(
    source: BinaryIO, name: str, *, most_entries: int, most_bytes: int
) -> Iterator[Bulk]:
    """Cut a list into requests; an action and its document always stay together.

    :raises InputError: it is not a list in the bulk format, or ends within an entry.
    """
    parts: list[bytes] = []
    actions: list[str] = []
    size = 0
    for action, lines in _entries(source, name):
        if actions and (len(actions) >= most_entries or size + len(lines) > most_bytes):
            yield Bulk(b"".join(parts), actions)
            parts, actions, size = [], [], 0
        parts.append(lines)
        actions.append(action)
        size += len(lines)
    if actions:
        yield Bulk(b"".join(parts), actions)


def _entries(source: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    number = 0
    while line := source.readline():
        number += 1
        try:
            (action,) = json.loads(line)
        except (ValueError, TypeError):
            action = None
        if action not in _ACTIONS:
            raise InputError(
                f"Line {number} of {name} is not an action of a bulk list: write the list with "
                "format: bulk and without compress."
            )
        if action != _DELETE:
            document = source.readline()
            number += 1
            line += document
            if not document:
                line = b""
        if not line.endswith(b"\n"):
            raise InputError(f"{name} ends within an entry, in line {number}: write it again.")
        yield action, line


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Run the module: from its options to its result.

    :raises QumuloError: the index does not fit, or the list did not arrive as a whole.
    """
    engine = Engine(
        params["url"],
        params["username"] or None,
        params["password"] or None,
        params["ca_path"] or None,
        params["timeout"],
        params["retries"],
    )
    for name, least, most in (
        ("request_bytes", LEAST_BYTES, MOST_BYTES),
        ("request_entries", 1, MOST_ENTRIES),
    ):
        if not least <= params[name] <= most:
            raise InputError(f"{name} is a number from {least} to {most}, not {params[name]}.")
    feed = {name: params[name] for name in ("directory", "checkpoint") if params[name] is not None}
    if "directory" in feed:
        feed["directory"] = normalize(feed["directory"], option="directory")
    if params["first"] is not None and params["src"] is None:
        raise InputError("first needs src: set both, or leave first out.")
    connection = Connection(engine)
    prepared = prepare(connection, feed, complete=params["complete"], check_mode=check_mode)
    sent = Sent()
    for name in filter(None, (params["first"], params["src"])):
        try:
            with opened_list(name) as number, open(number, "rb", closefd=False) as source:
                for bulk in requests_of(
                    source,
                    name,
                    most_entries=params["request_entries"],
                    most_bytes=params["request_bytes"],
                ):
                    if not check_mode:
                        send(connection, bulk)
                    deleted = bulk.actions.count(_DELETE)
                    sent.deleted += deleted
                    sent.indexed += len(bulk.actions) - deleted
                    sent.requests += 1
        except OSError as exc:
            raise InputError(f"Cannot read {name}: {exc.strerror}.") from exc
    return {
        "changed": prepared or sent.entries > 0,
        "index": engine.index,
        "created": prepared,
        **vars(sent),
    }


def prepare(connection: Connection, feed: Feed, *, complete: bool, check_mode: bool) -> bool:
    """Create the index with its mapping, or check that an existing one fits.

    :param complete: the list covers everything in the directory, so the index may be created.
    :return: whether the index was created, or its mapping extended.
    :raises ConflictError: it does not fit.
    """
    index = connection.engine.index
    answer = connection.request("GET", "_mapping")
    if answer.status == 404 and answer.body is not None:
        if not complete:
            raise _begins_with_changes(f"The index {index} does not exist")
        if check_mode:
            return True
        new = {"mappings": index_mapping.definition(feed)}
        created = connection.request("PUT", "", json.dumps(new).encode())
        if created.status in (200, 201):
            return True
        if error_type(created) != "resource_already_exists_exception":
            raise connection.refusal(f"Cannot create the index {index}", created)
        answer = connection.request("GET", "_mapping")  # another run was faster
    if answer.status != 200:
        raise connection.refusal(f"Cannot read the mapping of the index {index}", answer)
    try:
        mappings = {name: dict(one["mappings"]) for name, one in answer.body.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ProtocolError(
            f"{connection.engine.place} does not answer with a mapping of {index}: set url to an "
            "index of OpenSearch 2 or Elasticsearch 7, or later."
        ) from exc
    for name, found in mappings.items():
        _check(name, found, feed, complete=complete)
    if len(mappings) != 1:
        return False
    (mapping,) = mappings.values()
    return _extend(connection, mapping, feed, check_mode)


def _check(index: str, mapping: Mapping[str, Any], feed: Feed, *, complete: bool) -> None:
    """Refuse an index that does not fit the list, or holds another directory or checkpoint."""
    reason = index_mapping.misfit(mapping)
    if reason is not None:
        raise ConflictError(
            f"The index {index} cannot hold the list: {reason}. An index that was filled by "
            "lockstep.qumulo 1.1 or earlier, or without a mapping, has such fields, and a type "
            "cannot be changed. Use a new index (url) with a new checkpoint (search_name in the "
            "playbook search_index), so that it gets everything, and delete the old one later."
        )
    known = index_mapping.known_feed(mapping)
    if feed and not known and not complete:
        raise _begins_with_changes(f"The index {index} has not been filled from a list of all")
    for name, value in feed.items():
        if known.get(name, value) != value:
            raise ConflictError(
                f"The index {index} holds the files of the {name} {known[name]}, and the list is "
                f"of the {name} {value}: the two would mix, or replace each other's files. Use a "
                "new index (url), or correct the value."
            )


def _begins_with_changes(what: str) -> ConflictError:
    return ConflictError(
        f"{what}, and the list has only what changed: a new index needs a list of everything. Use "
        "a new checkpoint for it (search_name in the playbook search_index), whose first list is "
        "the whole tree."
    )


def _extend(
    connection: Connection, mapping: Mapping[str, Any], feed: Feed, check_mode: bool
) -> bool:
    """Add missing fields to a mapping; return whether there were any."""
    added = index_mapping.addition(mapping, feed)
    if added and not check_mode:
        answer = connection.request("PUT", "_mapping", json.dumps(added).encode())
        if answer.status != 200:
            raise connection.refusal(
                f"Cannot extend the mapping of the index {connection.engine.index}", answer
            )
    return bool(added)


def send(connection: Connection, bulk: Bulk) -> None:
    """Send one request, and make sure that every action in it was applied.

    :raises QumuloError: at least one was not.
    """
    engine = connection.engine
    attempt = 0
    while True:
        answer = connection.request("POST", f"_bulk?{_ANSWER}", bulk.body, kind=NDJSON)
        if answer.status != 200:
            raise connection.refusal(
                f"Cannot send {len(bulk.actions)} entries ({len(bulk.body)} bytes) to the index "
                f"{engine.index}",
                answer,
            )
        refused = _refused(engine, bulk, answer.body)
        if not refused:
            return
        statuses = {status for status, _said in refused}
        examples = "; ".join(sorted({said for _status, said in refused})[:_EXAMPLES])
        count = f"{len(refused)} of {len(bulk.actions)} entries"
        if not statuses <= {429, 503}:
            raise InvalidRequestError(
                f"The index {engine.index} refused {count}: {examples}. Correct the index, and "
                "send the list again: sending an entry twice is harmless."
            )
        if attempt >= engine.retries:
            raise BusyError(
                f"The search engine at {engine.place} was too busy for {count}, after "
                f"{attempt + 1} attempts: {examples}. Run again when it is less busy, or lower "
                "request_entries and request_bytes."
            )
        connection.wait(attempt)
        attempt += 1


def _refused(engine: Engine, bulk: Bulk, body: Any) -> list[tuple[int, str]]:
    """Return status and reason of the entries that were refused.

    Deleting a missing document is not a failure.
    """
    refused = []
    try:
        items = [next(iter(item.values())) for item in body.get("items") or ()]
        for action, item in zip(bulk.actions, items):
            status = int(item["status"])
            if status in (200, 201) or (
                action == _DELETE and status == 404 and not item.get("error")
            ):
                continue
            refused.append((status, error_of(item.get("error")) or f"status {status}"))
        if body["errors"] is True and not refused:
            refused.append((500, "errors that are not described"))
    except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as exc:
        raise _nonsense(engine) from exc
    if len(items) != len(bulk.actions):
        raise _nonsense(engine)
    return refused


def _nonsense(engine: Engine) -> ProtocolError:
    return ProtocolError(
        f"{engine.place} does not answer as a search engine would: check url, and proxies "
        "in between. Send the list again."
    )
