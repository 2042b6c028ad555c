# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compression of lists."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from ..errors import LibraryMissingError

try:
    import zstandard

    IMPORT_ERROR: ImportError | None = None
except ImportError as exc:
    IMPORT_ERROR = exc
    zstandard = None  # type: ignore[assignment]  # never used: `require` is called before

GZIP, ZSTD = "gzip", "zstd"
_LEVEL = 6  # of gzip: 9 takes twice the time for the last hundredth


def require(compress: str | None) -> None:
    """Make sure that what compresses is there.

    :raises LibraryMissingError: it is not.
    """
    if compress == ZSTD and IMPORT_ERROR is not None:
        raise LibraryMissingError("zstandard", str(IMPORT_ERROR))


@contextmanager
def compressed(output: BinaryIO, compress: str | None) -> Iterator[BinaryIO]:
    """Open a file that compresses what is written into ``output``, which stays open.

    Neither holds the time or a name: the same list gives the same bytes.
    """
    if compress == GZIP:
        with gzip.GzipFile("", "wb", _LEVEL, output, mtime=0) as packed:
            yield cast(BinaryIO, packed)
    elif compress == ZSTD:
        with zstandard.ZstdCompressor().stream_writer(output, closefd=False) as packed:
            yield cast(BinaryIO, packed)
    else:
        yield output
