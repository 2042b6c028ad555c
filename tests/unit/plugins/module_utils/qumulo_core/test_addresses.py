# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.addresses import (
    canonical,
    is_within,
    parse_network,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (
    HandleFilter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Handle,
    Identity,
    RangeGrant,
    ShareGrant,
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::FFFF:10.1.2.3", "10.1.2.3"),
        ("::ffff:a01:203", "10.1.2.3"),
        ("0:0:0:0:0:ffff:10.1.2.3", "10.1.2.3"),
        ("fd00::1", "fd00::1"),
        ("::1", "::1"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_a_mapped_address_has_its_ipv4_form(text: str, form: str) -> None:
    assert canonical(text) == form


@pytest.mark.parametrize(
    ("address", "network", "inside"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("::ffff:10.1.2.3", "10.1.2.0/24", True),
        ("10.1.2.3", "::ffff:10.1.2.3", True),
        ("10.1.2.3", "::ffff:10.1.0.0/112", True),
        ("10.2.2.3", "::ffff:10.1.0.0/112", False),
        ("fd00::1", "fd00::/8", True),
        ("10.1.2.3", "::/0", False),
        ("somewhere", "0.0.0.0/0", False),
    ],
)
def test_networks_have_both_forms(address: str, network: str, inside: bool) -> None:
    assert is_within(address, parse_network(network)) is inside


def test_a_network_with_bits_of_a_host() -> None:
    assert is_within("10.1.2.9", parse_network("10.1.2.3/24"))
    with pytest.raises(InputError, match=r"10\.1\.2\.0/24"):
        parse_network("10.1.2.3/24", strict=True)


@pytest.mark.parametrize("wanted", ["10.1.2.3", "10.1.2.0/24", "::ffff:10.1.2.3"])
@pytest.mark.parametrize("seen", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_an_smb_client_matches_in_both_forms(wanted: str, seen: str) -> None:
    grant = ShareGrant.of({"owner_address": seen, "node_address": "10.0.0.1", "mode": []})
    assert grant.address == RangeGrant.of({"owner_address": seen}).address == "10.1.2.3"
    handle = Handle("1", "2", "/f", Identity("3"), (), 0, (seen,), (), ())
    assert HandleFilter.make(clients=[wanted]).matches_client(handle)
    assert not HandleFilter.make(clients=["10.9.0.0/16"]).matches_client(handle)
