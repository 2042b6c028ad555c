# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists as request bodies for ``_bulk`` of OpenSearch and Elasticsearch."""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO

from .entries import DELETE, Block, Entry, raw
from .formats import NOT_UNICODE, Maker, Relative, Totals, columns_of, date, type_of, unicode_text


def document_id(path: str) -> str:
    """Return the ID of a path's document.

    An ID may have 512 bytes, a path several thousand. The file ID is not used, because each hard
    link is a separate document, and deleting one must keep the others.
    """
    return hashlib.sha256(raw(path)).hexdigest()


class _Bulk:
    def __init__(self, output: BinaryIO, totals: Totals, relative: Relative) -> None:
        self._write = output.write
        self._totals = totals
        self._relative = relative

    def extend(self, entries: Block) -> None:
        self._totals.count(entries)
        self._write("".join(map(self._lines, entries)).encode())

    def _lines(self, entry: Entry) -> str:
        path = self._relative(entry.path)
        document = document_id(path)
        if entry.operation == DELETE:
            return f'{{"delete": {{"_id": "{document}"}}}}\n'
        # A search engine refuses half a surrogate pair, or fails when it shows the document.
        shown, replaced = unicode_text(path)
        described: dict[str, Any] = {"path": shown, "type": type_of(entry)}
        if entry.attributes is not None:
            described.update(columns_of(entry.attributes, date))
        if entry.problem is not None:
            described["error"] = unicode_text(entry.problem)[0]
        elif replaced:
            described["error"] = NOT_UNICODE
        return f'{{"index": {{"_id": "{document}"}}}}\n{json.dumps(described)}\n'

    def close(self) -> None:
        pass


def bulk(relative: Relative) -> Maker:
    """Bodies for ``_bulk`` of OpenSearch and Elasticsearch; a document's ID is the path's SHA-256.

    A file has two lines, a deletion one.
    """
    return lambda output, totals: _Bulk(output, totals, relative)
