# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One piece of work in a process of its own, which reports its seconds and peak memory."""

from __future__ import annotations

import http.client
import json
import os
import stat
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tools.tree import linked_tree

sys.path.insert(0, str(linked_tree()))

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (  # noqa: E402
    file_lock_runs,
    file_locks,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (  # noqa: E402
    Order,
    build,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client  # noqa: E402
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.process import (  # noqa: E402
    collect_rarely,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings  # noqa: E402
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks import closing  # noqa: E402
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (  # noqa: E402
    HandleFilter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.listing import (  # noqa: E402
    list_handles,
)

LISTINGS = (
    ("/v1/smb/files/?resolve_paths=true&limit=10000", "file_handles"),
    ("/v1/files/locks/smb/share-mode/?limit=10000", "grants"),
    ("/v1/files/locks/smb/byte-range/?limit=10000", "grants"),
)


def bare_diff(client: Client, where: dict[str, Any]) -> int:
    """Fetch and parse the pages of a tree diff with the HTTP client of Python alone."""
    token = client.rest.auth.login(where["username"], where["password"])["bearer_token"]
    connection = http.client.HTTPSConnection(
        where["hosts"][0], where["port"], context=client.settings.ssl_context()
    )
    count = 0
    following = f"/v2/snapshots/{where['newer']}/changes-since/{where['older']}?limit=10000"
    while following:
        connection.request("GET", following, headers={"Authorization": f"Bearer {token}"})
        page = json.loads(connection.getresponse().read())
        following = page["paging"]["next"]
        count += len(page["entries"])
    return count


def bare_listing(client: Client, where: dict[str, Any]) -> int:
    """Fetch and parse the pages that a listing needs with the HTTP client of Python alone."""
    return _fetch(client, where, LISTINGS)


def plain_listing(client: Client, where: dict[str, Any]) -> int:
    """The same for the handles alone, without their locks and holders."""
    return _fetch(client, where, LISTINGS[:1])


def _fetch(client: Client, where: dict[str, Any], listings: Sequence[tuple[str, str]]) -> int:
    token = client.rest.auth.login(where["username"], where["password"])["bearer_token"]
    connection = http.client.HTTPSConnection(
        where["hosts"][0], where["port"], context=client.settings.ssl_context()
    )
    count = 0
    for uri, key in listings:
        following = uri
        while following:
            connection.request("GET", following, headers={"Authorization": f"Bearer {token}"})
            page = json.loads(connection.getresponse().read())
            following = page["paging"]["next"] if page[key] else ""
            count += len(page[key])
    return count


def listing(client: Client, where: dict[str, Any]) -> int:
    """List all handles."""
    return len(list_handles(client, HandleFilter.make()))


def close(client: Client, where: dict[str, Any]) -> int:
    """Close all handles below the crowd's directory."""
    wanted = HandleFilter.make(directories=["/crowd"])
    return len(closing.close(client, list_handles(client, wanted), wanted).closed)


def lock(client: Client, where: dict[str, Any]) -> int:
    """Lock all files of a tree."""
    request = file_locks.make_request(
        now=client.clock().now(),
        retention="30d",
        legal_hold=None,
        slack="1h",
        max_retention="1y",
        keep_longer=False,
    )
    result = file_lock_runs.lock(
        client,
        [by_path(where["directory"])],
        request,
        recurse=True,
        include=[],
        exclude=[],
        workers=32,
        max_results=1,
        check_mode=False,
    )
    return int(result["locked"])


def lock_serially(client: Client, where: dict[str, Any]) -> int:
    """What a script does: read and lock, one file after the other."""
    count = 0
    for page in client.rest.fs.read_entire_directory(path=where["directory"], page_size=1000):
        for entry in page["files"]:
            known = client.rest.fs.get_file_attr(id_=entry["id"], retrieve_file_lock=True)
            if known["lock"]["retention_period"] is None:
                client.rest.fs.modify_file_lock(
                    id_=entry["id"], retention_period="2027-01-01T00:00:00Z"
                )
            count += 1
    return count


def changelist(client: Client, where: dict[str, Any]) -> int:
    """Write the list of the changes between two snapshots."""
    listed = snapshots.list_all(client)
    newer = snapshots.find(listed, None, int(where["newer"]), "newer")
    older = snapshots.find(listed, None, int(where["older"]), "older")
    order = Order(where["dest"], "jsonl", where["attributes"], deletes=True, workers=32)
    result = build(client, newer, older, order, check_mode=False)
    totals = result.totals
    return int(totals.created + totals.modified + totals.deleted)


def attributes_serially(client: Client, where: dict[str, Any]) -> int:
    """What a script does: list what changed, and ask for each file, one after the other."""
    count = 0
    found = client.rest.snapshot.get_all_snapshot_tree_diff(where["newer"], where["older"])
    with open(where["dest"], "w", encoding="utf-8") as output:
        for page in found:
            for entry in page["entries"]:
                known = client.rest.fs.get_file_attr(path=entry["path"], snapshot=where["newer"])
                output.write(json.dumps({**entry, "size": known["size"]}) + "\n")
                count += 1
                if count == where["most"]:
                    return count
    return count


WORK = {
    "attributes_serially": attributes_serially,
    "bare_diff": bare_diff,
    "bare_listing": bare_listing,
    "plain_listing": plain_listing,
    "listing": listing,
    "close": close,
    "lock": lock,
    "lock_serially": lock_serially,
    "changelist": changelist,
}


def peak_mib() -> float:
    """Peak of the resident memory; unlike ru_maxrss it does not begin with that of the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


class Disk:
    """Peak of the bytes in temporary files, looked at every now and then."""

    def __init__(self) -> None:
        self.peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Disk:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(0.2):
            self.peak = max(self.peak, sum(map(_bytes_of, os.listdir("/proc/self/fd"))))


def _bytes_of(number: str) -> int:
    try:
        found = os.stat(int(number))
    except OSError:
        return 0  # closed meanwhile
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def main() -> None:
    """Do what the first argument names, on the cluster that the second describes."""
    collect_rarely()  # as modules do
    work, where = WORK[sys.argv[1]], json.loads(sys.argv[2])
    settings = Settings(
        hosts=tuple(where["hosts"]),
        port=where["port"],
        username=where["username"],
        password=where["password"],
        ca_path=where["ca_path"],
        timeout=300.0,
    )
    with Client(settings) as client:
        client.who_am_i()
        with Disk() as disk:
            began = time.perf_counter()
            count = work(client, where)
            seconds = time.perf_counter() - began
    measured = {
        "count": count,
        "seconds": seconds,
        "peak_mib": peak_mib(),
        "disk_mib": disk.peak / (1 << 20),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
