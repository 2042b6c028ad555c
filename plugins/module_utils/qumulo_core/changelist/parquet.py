# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists as Parquet, if pyarrow is installed."""

from __future__ import annotations

from typing import Any, BinaryIO

from ..errors import LibraryMissingError
from .entries import Block, Entry
from .formats import NOT_UNICODE, Maker, Relative, Totals, type_of, unicode_text
from .rows import ranges_of

try:
    import pyarrow
    import pyarrow.parquet

    IMPORT_ERROR: ImportError | None = None
except ImportError as exc:
    IMPORT_ERROR = exc
    pyarrow = None  # never used: `parquet` says so before

#: Rows of a row group: what is in memory at a time.
GROUP = 50_000


def _schema() -> Any:
    text, number = pyarrow.string(), pyarrow.int64()
    time = pyarrow.timestamp("ns", tz="UTC")
    part = pyarrow.struct(
        [("offset", number), ("length", number), ("data", pyarrow.bool_())],
    )
    return pyarrow.schema(
        [
            ("op", text),
            ("path", text),
            ("from", text),
            ("type", text),
            ("size", number),
            ("mtime", time),
            ("atime", time),
            ("owner", text),
            ("group", text),
            ("mode", text),
            ("num_links", number),
            ("file_id", text),
            ("retention_period", text),
            ("legal_hold", pyarrow.bool_()),
            ("ranges", pyarrow.list_(part)),
            ("error", text),
            ("owner_name", text),
            ("group_name", text),
        ]
    )


class _Parquet:
    def __init__(
        self, output: BinaryIO, totals: Totals, relative: Relative, compression: str
    ) -> None:
        self._totals = totals
        self._relative = relative
        self._schema = _schema()
        self._columns: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._rows = 0
        self._writer = pyarrow.parquet.ParquetWriter(output, self._schema, compression=compression)

    def extend(self, entries: Block) -> None:
        self._totals.count([self._add(entry) for entry in entries])

    def _add(self, entry: Entry) -> Entry:
        path, bad = unicode_text(self._relative(entry.path))
        source = None
        if entry.source is not None:
            source, bad_source = unicode_text(self._relative(entry.source))
            bad = bad or bad_source
        if bad and entry.problem is None:
            entry = entry._replace(problem=NOT_UNICODE)
        known, ranges = entry.attributes, None
        if entry.ranges is not None:
            ranges = [
                {"offset": offset, "length": length, "data": kind == "data"}
                for offset, length, kind in ranges_of(entry.ranges)
            ]
        row: dict[str, Any] = {
            "op": entry.operation,
            "path": path,
            "from": source,
            "type": type_of(entry),
            "ranges": ranges,
            "error": entry.problem,
        }
        if known is not None:
            lock = known.lock or {}
            owner_name, group_name = known.names or (None, None)
            row.update(
                size=known.size,
                mtime=_time(known.mtime_ns),
                atime=_time(known.atime_ns),
                owner=known.owner,
                group=known.group,
                mode=known.mode,
                num_links=known.num_links,
                file_id=known.file_id,
                retention_period=lock.get("retention_period"),
                legal_hold=lock.get("legal_hold"),
                owner_name=owner_name,
                group_name=group_name,
            )
        for name, values in self._columns.items():
            values.append(row.get(name))
        self._rows += 1
        if self._rows >= GROUP:
            self._flush()
        return entry

    def _flush(self) -> None:
        arrays = [
            pyarrow.array(self._columns[field.name], type=field.type) for field in self._schema
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        for values in self._columns.values():
            values.clear()
        self._rows = 0

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


def _time(time_ns: int) -> int | None:
    """Return a time that 64 bits can hold, from 1677 to 2262; clients set others, too."""
    return time_ns if -(1 << 63) < time_ns < 1 << 63 else None


def require() -> None:
    """Make sure that pyarrow is there.

    :raises LibraryMissingError: it is not.
    """
    if IMPORT_ERROR is not None:
        raise LibraryMissingError("pyarrow", str(IMPORT_ERROR))


def parquet(relative: Relative, compression: str | None = None) -> Maker:
    """Parquet, one row an entry.

    :param compression: ``gzip`` or ``zstd``; None: snappy, its usual one.
    :raises LibraryMissingError: pyarrow is not installed.
    """
    require()
    return lambda output, totals: _Parquet(output, totals, relative, compression or "snappy")
