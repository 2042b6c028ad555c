# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": ()},
        {"hosts": ("",)},
        {"hosts": ("https://cluster",)},
        {"hosts": ("a b",)},
        {"hosts": ("c",), "port": 0},
        {"hosts": ("c",), "port": 70000},
        {"hosts": ("c",), "timeout": 0},
        {"hosts": ("c",), "retries": -1},
        {"hosts": ("c",), "username": "u"},
        {"hosts": ("c",), "password": "p"},
    ],
)
def test_settings_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Settings(**options)


def test_spaces_around_addresses_are_dropped() -> None:
    assert Settings(hosts=(" a", "b ")).hosts == ("a", "b")


def test_secrets_do_not_show() -> None:
    shown = repr(Settings(hosts=("c",), username="u", password="hunter2"))
    shown += repr(Settings(hosts=("c",), access_token="access-v1:secret"))
    assert "hunter2" not in shown and "secret" not in shown


def test_certificates_are_verified_unless_told_not_to() -> None:
    strict = Settings(hosts=("c",)).ssl_context()
    assert strict.verify_mode == ssl.CERT_REQUIRED and strict.check_hostname
    loose = Settings(hosts=("c",), validate_certs=False).ssl_context()
    assert loose.verify_mode == ssl.CERT_NONE and not loose.check_hostname


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_file_that_is_none_names_the_option(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="ca_path"):
        Settings(hosts=("c",), ca_path=str(path)).ssl_context()


def test_a_directory_of_certificates_is_accepted(tmp_path: Path) -> None:
    context = Settings(hosts=("c",), ca_path=str(tmp_path)).ssl_context()
    assert context.verify_mode == ssl.CERT_REQUIRED
