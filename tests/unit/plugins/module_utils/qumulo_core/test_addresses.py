# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.addresses import (
    canonical,
    client_block,
    is_within,
    parse_network,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.shield import (  # noqa: E501
    hostname,
)
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
        ("FD00::10", "fd00::10"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::1", "::1"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(text: str, form: str) -> None:
    assert canonical(text) == form


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Two spellings of one IPv6 address."""
    # Groups of zeros are what can be left out.
    groups = draw(
        st.lists(st.sampled_from([0, 0, 0, 1, 0xA, 0xFD00, 0xFFFF]), min_size=8, max_size=8)
    )

    def spelling() -> str:
        texts = [format(group, draw(st.sampled_from(["x", "X", "04x", "04X"]))) for group in groups]
        begin = draw(st.integers(0, 7))
        end = begin
        while end < 8 and groups[end] == 0 and draw(st.booleans()):
            end += 1
        if end == begin:
            return ":".join(texts)
        return ":".join(texts[:begin]) + "::" + ":".join(texts[end:])

    return spelling(), spelling()


@given(spellings())
def test_all_spellings_of_an_address_are_one(texts: tuple[str, str]) -> None:
    one, other = texts
    assert canonical(one) == canonical(other)
    assert canonical(canonical(one)) == canonical(one)
    assert hostname(f"[{one}]:8443") == hostname(f"[{other}]")
    assert client_block(one) == client_block(other)
    grant = ShareGrant.of({"owner_address": one, "node_address": "10.0.0.1", "mode": []})
    handle = Handle("1", "2", "/f", Identity("3"), (), 0, (grant.address,), (), ())
    assert HandleFilter.make(clients=[other]).matches_client(handle)


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
