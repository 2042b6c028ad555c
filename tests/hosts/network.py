# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of test hosts that ends at this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .image import podman

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_FIRST_HOST = 10


@dataclass(frozen=True)
class Network:
    """An internal network: hosts reach each other and the gateway, which is this machine."""

    name: str
    gateway: str

    def host(self, number: int) -> str:
        """Return the address of a host, by its number from 0 on."""
        return f"{self.gateway.rpartition('.')[0]}.{_FIRST_HOST + number}"


def of_checkout(root: Path) -> tuple[str, str]:
    """Return a short name and the first three numbers of a subnet for a checkout.

    They differ between checkouts, so that two can be tested at the same time.
    """
    digest = hashlib.sha256(str(root).encode()).digest()
    return digest.hex()[:6], f"10.89.{digest[0] % 200 + 20}"


@contextmanager
def network(root: Path, image: str) -> Iterator[Network]:
    """A network for the time of a block.

    The gateway's address exists only while some container is there, so one that sleeps holds it.
    Making a network switches on the forwarding of packets, which is put back at the end.
    """
    run, subnet = of_checkout(root)
    name, anchor = f"lockstep-{run}", f"lockstep-{run}-anchor"
    forwarding = _FORWARD.read_text(encoding="ascii")
    _remove(name, anchor)
    try:
        podman(
            *("network", "create", "--internal", "--subnet", f"{subnet}.0/24"),
            *("--gateway", f"{subnet}.1", name),
        )
        podman(
            *("run", "--detach", "--name", anchor, "--network", name, "--ip", f"{subnet}.2"),
            *(image, "sleep", "infinity"),
        )
        yield Network(name, f"{subnet}.1")
    finally:
        _remove(name, anchor)
        _FORWARD.write_text(forwarding, encoding="ascii")


def _remove(name: str, anchor: str) -> None:
    podman("rm", "--force", "--time", "0", "--ignore", anchor, check=False)
    podman("network", "rm", "--force", name, check=False)
