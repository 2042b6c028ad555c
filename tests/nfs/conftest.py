# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest for all tests; what they need of the role they ask for themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.molecule import ACCOUNT, SECRET
from tests.simulator.harness import start
from tests.simulator.identities import PRIVILEGES

from .ganesha import Ganesha, free_ports
from .guest import booted
from .host import Host
from .image import GATEWAY
from .prepare import prepare, run_aloud


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """A host that has booted, and to which the role has not been applied yet."""
    parts = prepare(run_aloud)
    with tempfile.TemporaryDirectory(prefix="lockstep-nfs-") as directory:
        place = Path(directory)
        place.chmod(0o755)  # the server looks at what it exports as the account of the service
        exported = place / "exported"
        exported.mkdir(mode=0o755)
        server = Ganesha(place, exported)
        ssh_port, audit_port = free_ports(2)
        with (
            start(["--address", "127.0.0.1", "--known-as", GATEWAY]) as simulator,
            server.running(),
            booted(parts.image, place, ssh_port, [audit_port]) as guest,
        ):
            simulator.control(
                "users/add", name=ACCOUNT, password=SECRET, privileges=list(PRIVILEGES)
            )
            variables = {
                # The first is how this machine reaches the cluster, the second how the guest does.
                "atime_host": ["127.0.0.1", GATEWAY],
                "atime_port": simulator.port,
                "atime_username": ACCOUNT,
                "atime_password": SECRET,
                "atime_ca_certificate": Path(simulator.ca_file).read_text(encoding="ascii"),
                "atime_ca_path": simulator.ca_file,
                "atime_wheels": str(parts.wheels),
                "atime_configure_audit": True,
                "atime_audit_address": "127.0.0.1",
                "atime_audit_port": audit_port,
            }
            yield Host(place, guest, server, exported, simulator, variables, parts.collections)
