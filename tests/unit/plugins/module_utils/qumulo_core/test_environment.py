# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import environment
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings

NAMES = ("HOST", "PORT", "USERNAME", "PASSWORD", "ACCESS_TOKEN", "CA_PATH")


@pytest.mark.parametrize("empty", ["", "\n", " ", "\r\n"])
def test_an_empty_variable_counts_as_not_set(empty: str) -> None:
    for name in NAMES:
        found = environment.read({f"QUMULO_{name}": empty})
        if name == "PASSWORD" and empty == " ":
            continue  # blanks belong to a password
        assert found == environment.read({})
        assert environment.value(f"QUMULO_{name}", {f"QUMULO_{name}": empty}) is None


def test_blanks_around_a_value_do_not_count() -> None:
    found = environment.read(
        {
            "QUMULO_HOST": " a, b ,",
            "QUMULO_PORT": " 8443\n",
            "QUMULO_USERNAME": " u ",
            "QUMULO_PASSWORD": " p \n",
            "QUMULO_ACCESS_TOKEN": "tok\n",
            "QUMULO_CA_PATH": "/ca \n",
        }
    )
    assert found.settings().hosts == ("a", "b")
    assert (found.port, found.username, found.password) == (8443, "u", " p ")
    assert (found.access_token, found.ca_path) == ("tok", "/ca")


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "8000.0", "\u0663", "1" * 30])
def test_a_port_that_is_none_names_the_variable(port: str) -> None:
    with pytest.raises(InputError, match=f"QUMULO_PORT is '{port}'"):
        environment.read({"QUMULO_PORT": port})


def test_nothing_at_all_asks_for_a_host() -> None:
    with pytest.raises(InputError, match="QUMULO_HOST"):
        environment.read({"QUMULO_HOST": ""}).settings()
    assert isinstance(environment.read({}).settings(hosts=["a"]), Settings)
