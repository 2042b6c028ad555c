# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.rest.hosts import (
    parse_hosts,
)


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        (["10.0.0.11"], ("10.0.0.11",)),
        (["qumulo.example.com"], ("qumulo.example.com",)),
        ([" qumulo.example.com "], ("qumulo.example.com",)),
        (["a, b,,c "], ("a", "b", "c")),
        (["a", "b,a"], ("a", "b")),
        (["::1"], ("::1",)),
        (["[::1]"], ("::1",)),
        (["[2001:DB8:0::1]"], ("2001:db8::1",)),
        (["::ffff:10.0.0.11"], ("10.0.0.11",)),
        (["qumulo:8000"], ("qumulo",)),
        (["10.0.0.11:8000,10.0.0.12:8000"], ("10.0.0.11", "10.0.0.12")),
        (["[::1]:8000"], ("::1",)),
        (["qumulo.example.com."], ("qumulo.example.com",)),
        (["b\u00fccher.example"], ("xn--bcher-kva.example",)),
        (["my_cluster-1"], ("my_cluster-1",)),
    ],
)
def test_hosts_are_understood(written: list[str], understood: tuple[str, ...]) -> None:
    assert parse_hosts(written, 8000) == understood


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "No cluster is named"),
        (" , ", "No cluster is named"),
        ("a b", "separated by commas"),
        ("qumulo:8443", "write 'qumulo' and set 'port' to 8443"),
        ("[::1]:8443", "write '[::1]' and set 'port' to 8443"),
        ("qumulo:", "write 'qumulo' and set 'port'"),
        ("https://qumulo", "write 'qumulo'"),
        ("https://qumulo:8000/", "write 'qumulo' and set 'port' to 8000"),
        ("qumulo/path", "write 'qumulo'"),
        ("fe80::1%eth0", "without '%'"),
        ("[10.0.0.11]", "write 10.0.0.11"),
        ("[::1", "not an IPv6 address"),
        ("::g", "not an IPv6 address"),
        ("10.0.0", "four numbers"),
        ("10.0.0.256", "four numbers"),
        ("-a", "qumulo.example.com"),
        ("a..b", "qumulo.example.com"),
        (".", "qumulo.example.com"),
        ("stra\u00dfe.example", "xn--"),
        ("a" * 64, "qumulo.example.com"),
        ("a.*", "qumulo.example.com"),
    ],
)
def test_other_forms_are_refused_with_the_right_one(written: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_hosts([written], 8000)
    assert told in caught.value.message


def test_credentials_in_a_host_are_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        parse_hosts(["https://admin:hunter2@qumulo"], 8000)
    assert "hunter2" not in caught.value.message
