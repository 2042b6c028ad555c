# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the model at scale: ``python -m tests.simulator.tests.model_scale [FILES]``.

Prints one line of JSON for each phase: seconds, and the peak memory so far in MiB. It judges
nothing: machines differ.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.simulator.model import FileSystem


@contextmanager
def phase(name: str, count: int) -> Iterator[None]:
    """Print what the body took; ``count`` is how many things it did."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    line = {
        "phase": name,
        "count": count,
        "seconds": round(seconds, 3),
        "per_second": round(count / seconds),
        "peak_mib": peak,
    }
    print(json.dumps(line), flush=True)


def page_through(page: Callable[[str], tuple[int, str]]) -> int:
    count, after = 0, ""
    while True:
        items, after = page(after)
        count += items
        if not after:
            return count


def main(total: int) -> None:
    files = FileSystem()
    directories = max(1, total // 1000)
    for number in range(directories):
        files.create_directory("/", f"d{number}")
    with phase("bulk_create", total):
        for number in range(directories):
            files.bulk_create(f"/d{number}", total // directories, size=10_000)
    gc.freeze()
    with phase("attributes", 100_000):
        for number in range(100_000):
            files.attributes(f"/d{number % directories}/file-{number % 1000:07d}")
    with phase("snapshot", 1):
        older = files.take_snapshot("/", "older").id
    with phase("set_attributes", total):
        for number in range(directories):
            for name in files.child_names(f"/d{number}"):
                files.set_attributes(f"/d{number}/{name}", mode=0o600)
    newer = files.take_snapshot("/", "newer").id

    def diff_page(after: str) -> tuple[int, str]:
        page = files.tree_diff(newer, older, after=after, limit=10_000)
        return len(page.items), page.next

    def entries_page(after: str) -> tuple[int, str]:
        page = files.entries("/d0", after=after, limit=1000, snapshot=older)
        return len(page.items), page.next

    with phase("tree_diff", total):
        found = page_through(diff_page)
    with phase("entries", total // directories):
        page_through(entries_page)
    files.write("/d0/file-0000000", 0, b"x")
    latest = files.take_snapshot("/", "latest").id
    with phase("tree_diff of one change", 1):
        page = files.tree_diff(latest, newer)
    print(json.dumps({"diff entries": found, "diff of one change": page.items}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
