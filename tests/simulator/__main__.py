# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.simulator``: run a simulated cluster until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import uvloop

from . import api_audit, api_auth, api_files, api_settings, api_smb, api_snapshots, certificates
from .cluster import Cluster
from .control import Control
from .http_server import Listener
from .identities import BUILT_IN
from .router import Router
from .validation import Validator

#: Not 127.0.0.1: there the SDK takes one of some hundred privileged ports when it runs as root.
FIRST_ADDRESS = "127.0.0.2"
_PORT_TRIES = 20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument(
        "--address",
        action="append",
        dest="addresses",
        metavar="IP",
        help="loopback address of a node (may be given several times; default 127.0.0.2 and on)",
    )
    parser.add_argument(
        "--known-as",
        action="append",
        default=[],
        metavar="IP",
        help="further address of the certificate, for clients that come through a gateway",
    )
    parser.add_argument("--nodes", type=int, default=3, help="nodes, if no address is given")
    parser.add_argument("--port", type=int, default=0, help="port of every node (0: a free one)")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control API")
    parser.add_argument("--import", dest="tree", metavar="DIR", help="load a directory tree at /")
    parser.add_argument("--validate", action="store_true", help="check each answer's shape")
    parser.add_argument("--directory", help="where to put the CA file (default: a temporary one)")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when whoever started it is gone"
    )
    return parser.parse_args()


def _router() -> Router:
    router = Router()
    for part in (api_audit, api_auth, api_files, api_settings, api_smb, api_snapshots):
        part.register(router)
    return router


async def _start_nodes(cluster: Cluster, port: int, context: object) -> list[Listener]:
    """Start all nodes on one port; with several addresses a free one has to be searched for."""
    for _ in range(_PORT_TRIES):
        listeners = [Listener(cluster, address, port, context) for address in cluster.nodes]
        try:
            await listeners[0].start()
            for listener in listeners[1:]:
                listener.port = listeners[0].port
                await listener.start()
        except OSError as error:
            for listener in listeners:
                await listener.stop()
            if port or error.errno != errno.EADDRINUSE:
                raise
        else:
            return listeners
    raise OSError("no port is free on all addresses")


async def _run(arguments: argparse.Namespace, directory: Path) -> None:
    first = int(FIRST_ADDRESS.rpartition(".")[2])
    addresses = arguments.addresses or [f"127.0.0.{first + i}" for i in range(arguments.nodes)]
    ca_file, context = certificates.create(directory, [*addresses, *arguments.known_as])
    validator = Validator() if arguments.validate else None
    cluster = Cluster(_router(), addresses, validator=validator)
    if arguments.tree:
        cluster.fs.import_tree(Path(arguments.tree))
    # What is there at the start stays; collections need not look at it again and again.
    gc.collect()
    gc.freeze()
    listeners = await _start_nodes(cluster, arguments.port, context)
    control_listener = Listener(Control(cluster, listeners), "127.0.0.1", arguments.control_port)
    await control_listener.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, stop)
    ready = {
        "addresses": addresses,
        "port": listeners[0].port,
        "ca_file": str(ca_file),
        "control": f"http://127.0.0.1:{control_listener.port}",
        "users": {
            name: {
                "password": password,
                "privileges": "all" if privileges is None else list(privileges),
            }
            for name, (password, privileges) in BUILT_IN.items()
        },
        "pid": os.getpid(),
    }
    print(json.dumps(ready), flush=True)
    await stop.wait()
    cluster.audit.stop()
    for listener in (*listeners, control_listener):
        await listener.stop()


def _watch_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def main() -> int:
    """Run."""
    arguments = _arguments()
    with contextlib.ExitStack() as stack:
        directory = arguments.directory
        if directory is None:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="simulator-"))
        try:
            uvloop.run(_run(arguments, Path(directory)))
        except OSError as error:
            print(f"The simulator can not start: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
