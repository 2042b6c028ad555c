# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager's page on the simulator, in a thread of this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulator.certificates import create
from tests.simulator.harness import Simulator

from .tree import linked_tree

if str(linked_tree()) not in sys.path:
    sys.path.insert(0, str(linked_tree()))

if TYPE_CHECKING:
    from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.server import (  # noqa: E501
        Server,
    )

LIBRARY = "ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core"
ADDRESS = "127.0.0.1"
STOP_TIMEOUT = 10.0


def configuration(simulator: Simulator, directory: Path, **changes: Any) -> dict[str, Any]:
    """Return the page's configuration as its YAML file has it; the certificate is made."""
    create(directory, [ADDRESS])
    certificate = str(directory / "server.pem")  # the key is in it too
    return {
        "title": "Simulated cluster",
        "cluster": {
            "host": simulator.addresses,
            "port": simulator.port,
            "ca_path": simulator.ca_file,
        },
        "listen_address": ADDRESS,
        "listen_port": 0,
        "certificate": certificate,
        "private_key": certificate,
        "allowed_hosts": [ADDRESS, "localhost"],
        "audit_file": str(directory / "closed.jsonl"),
        "refresh_interval": "2s",
        **changes,
    }


@contextmanager
def running_page(
    simulator: Simulator, directory: Path, *, deadlines: Any = None, **changes: Any
) -> Iterator[Server]:
    """The page for the time of a block.

    :param deadlines: other ones than those of the service.
    """
    config = import_module(f"{LIBRARY}.lock_manager.config")
    server = import_module(f"{LIBRARY}.lock_manager.server")
    section = import_module(f"{LIBRARY}.service.config").Section(
        configuration(simulator, directory, **changes)
    )
    made: Server = server.Server(
        config.parse(section), **({"deadlines": deadlines} if deadlines else {})
    )
    made.start()
    try:
        yield made
    finally:
        made.stop(STOP_TIMEOUT)
