# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP addresses and networks; an IPv4-mapped IPv6 address becomes IPv4."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Union

from ..errors import InputError

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
#: Length of the prefix ``::ffff:0:0`` of IPv4-mapped addresses (RFC 4291, 2.5.5.2).
_MAPPED_BITS = 96


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """Return an address, an IPv4-mapped one as IPv4; None if it is not an address.

    Cached, because a listing repeats a few addresses hundreds of thousands of times.
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def canonical(text: str) -> str:
    """Return the one spelling of an address, an IPv4-mapped one as IPv4; other text unchanged.

    Addresses are compared as texts, and IPv6 has many spellings of each (RFC 5952).
    """
    address = parse_address(text)
    return text if address is None else str(address)


#: Bits of an IPv6 network that one client usually has (RFC 6177): all of its addresses are its own.
_CLIENT_BITS = 64


def client_block(text: str) -> str:
    """Return what stands for one client where clients are counted.

    That is an IPv4 address, an IPv6 network of 64 bits, or the first characters of other text.
    """
    address = parse_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _CLIENT_BITS), strict=False))
    return str(address) if address is not None else text[:64]


def parse_network(text: str, *, strict: bool = False) -> Network:
    """Return an address or a network (CIDR), an IPv4-mapped one as IPv4.

    :param strict: refuse a network with host bits set, such as ``10.1.2.3/24``.
    :raises InputError: it is neither an address nor a network.
    """
    try:
        network = ipaddress.ip_network(text.strip(), strict=strict)
    except ValueError as exc:
        raise InputError(
            f"'{text}' is neither an address nor a network ({exc}): write 10.1.2.3 or 10.1.2.0/24."
        ) from exc
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def is_within(text: str, network: Network) -> bool:
    """Tell whether an address belongs to a network; text that is not an address never does.

    ``::/0`` contains only IPv6 addresses.
    """
    address = parse_address(text)
    return address is not None and address in network
