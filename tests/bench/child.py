# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One piece of work in a process of its own, which reports its seconds and peak memory."""

from __future__ import annotations

import http.client
import json
import sys
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
        [where["directory"]],
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
    newer = snapshots.find(listed, where["newer"])
    older = snapshots.find(listed, where["older"])
    order = Order(where["dest"], "jsonl", where["attributes"], deletes=True, workers=32)
    result = build(client, newer, older, order, check_mode=False)
    totals = result.totals
    return int(totals.created + totals.modified + totals.deleted)


WORK = {
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


def main() -> None:
    """Do what the first argument names, on the cluster that the second describes."""
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
        began = time.perf_counter()
        count = work(client, where)
        seconds = time.perf_counter() - began
    peak = peak_mib()
    print(json.dumps({"count": count, "seconds": seconds, "peak_mib": peak}))


if __name__ == "__main__":
    main()
