# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module takes a text for a list of names as one name, by the options that it documents."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils import _module, _whole_texts
from tests.tools.tree import ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("qumulo_*.py"))
#: Lists whose elements never contain a comma, so that Ansible may split a text.
SPLIT = {("host", "str"), ("access", "str"), ("snapshot_id", "int")}


class Told(Exception):
    """What a module tells Ansible about its options."""


def spec(module: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """The options of a module, as it declares them."""

    def told(self: Any, argument_spec: dict[str, Any], **_kwargs: Any) -> None:
        raise Told(argument_spec)

    monkeypatch.setattr(_module.AnsibleModule, "__init__", told)
    name = f"ansible_collections.lockstep.qumulo.plugins.modules.{module}"
    with pytest.raises(Told) as caught:
        importlib.import_module(name).main()
    return dict(caught.value.args[0])


@pytest.mark.parametrize("module", MODULES)
def test_a_text_for_a_list_of_names_is_one_name(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = spec(module, monkeypatch)
    for name, option in options.items():
        assert not any(o.get("type") == "list" for o in (option.get("options") or {}).values()), (
            f"{name}: what is below a dictionary is not prepared"
        )
        if option.get("type") == "list":
            whole = _whole_texts.prepare({name: option}, {name: "a,b"}).params == {name: ["a,b"]}
            assert whole or (name, option["elements"]) in SPLIT, name


@pytest.mark.parametrize("module", MODULES)
def test_no_module_reads_its_options_in_another_way(module: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    assert "AnsibleModule(" not in text
    assert yaml.safe_load(text.split('DOCUMENTATION = r"""')[1].split('"""')[0])["module"] == module
