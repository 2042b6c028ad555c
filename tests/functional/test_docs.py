# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides show works as it stands, and what they name exists."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
    main as atime,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check import probes
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.config import (  # noqa: E501
    parse,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    main as watcher,
)
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from .documented import GUIDES, Block, blocks, furnish, local, play, playbook, recap

MARKS = {"", "syntax", "data"}
#: Guides whose mappings are the configuration of a service.
CONFIGURATION = "lock_manager.md"
YAML = [block for path in GUIDES for block in blocks(path, "yaml")]
RUN = [b for b in YAML if not b.mark and b.path.name != CONFIGURATION]
QQ = Path(sys.executable).parent / "qq"


def ids(found: list[Block]) -> list[str]:
    return [block.where for block in found]


def test_marks_are_known() -> None:
    assert {block.mark for block in YAML} <= MARKS
    for block in RUN:
        assert isinstance(block.data(), list), f"{block.where}: neither tasks nor plays"
    # Whatever else shows YAML would not be found.
    for path in GUIDES:
        assert "```yml" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("name", sorted({block.path.name for block in RUN}))
def test_tasks_run_as_they_stand(name: str, simulator: Simulator, tmp_path: Path) -> None:
    if shutil.which("rsync") is None and "rsync --" in "".join(b.text for b in RUN):
        pytest.skip("rsync is not installed")
    furnish(simulator, tmp_path)
    texts = [local(b.text, simulator, tmp_path) for b in RUN if b.path.name == name]
    done = play(simulator, tmp_path, playbook(texts))
    assert done.returncode == 0, done.stdout + done.stderr
    counted = recap(done)
    assert counted["skipped"] == counted["ignored"] == counted["rescued"] == 0, done.stdout
    assert counted["ok"] > 0


@pytest.mark.parametrize("block", [b for b in YAML if b.mark == "syntax"], ids=lambda b: b.where)
def test_plays_of_roles_are_valid(block: Block, simulator: Simulator, tmp_path: Path) -> None:
    done = play(simulator, tmp_path, playbook([block.text]), "--syntax-check")
    assert done.returncode == 0, done.stderr
    for each in block.data():
        for role in each["roles"]:
            check_role(dict(role))


def check_role(variables: dict[str, Any]) -> None:
    """The variables of a role are what its argument specs want."""
    name = variables.pop("role").removeprefix("lockstep.qumulo.")
    path = ROOT / "roles" / name / "meta" / "argument_specs.yml"
    specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    result = ArgumentSpecValidator(specs).validate(variables)
    assert not result.error_messages, result.error_messages


@pytest.mark.parametrize(
    "block", [b for b in YAML if b.path.name == CONFIGURATION], ids=lambda b: b.where
)
def test_configurations_are_accepted(block: Block) -> None:
    least = {"cluster": {"host": ["10.0.0.11"]}, "allowed_hosts": ["locks.example.com"]}
    data = {**least, **block.data()}
    data["cluster"] = {**data["cluster"], "validate_certs": False}
    data["cluster"].pop("ca_path", None)  # it would have to be there
    assert parse(Section(data)).allowed_hosts


def test_the_first_day_makes_accounts_that_suffice(simulator: Simulator, tmp_path: Path) -> None:
    command = [str(QQ), "--host", simulator.addresses[0], "--port", str(simulator.port)]
    command += ["--credentials-store", str(tmp_path / "credentials")]

    def qq(*arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    qq("login", "-u", "admin", "-p", simulator.password())
    passwords: dict[str, str] = {}
    for block in blocks(ROOT / "docs" / "first_day.md", "bash"):
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            assert words[0] == "qq", line
            qq(*words[1:])
            if words[1] == "auth_add_user":
                passwords[words[words.index("--name") + 1]] = words[-1]
    assert set(passwords) == {"ansible", "watcher"}
    for user, service in (("ansible", "modules"), ("watcher", "watcher")):
        settings = Settings(
            hosts=tuple(simulator.addresses),
            port=simulator.port,
            username=user,
            password=passwords[user],
            ca_path=simulator.ca_file,
        )
        found = list(probes.run(settings, [service]))
        assert [finding.level for finding in found] == ["ok"] * len(found), found


# -- names --------------------------------------------------------------------------------------


def words_of(path: Path) -> set[str]:
    """Words in code of a guide."""
    code = re.findall(r"`([^`]+)`", path.read_text(encoding="utf-8"))
    return set(re.findall(r"[\w.]+", re.sub(r"\w+\.(?:png|md)\b", "", " ".join(code))))


@pytest.mark.parametrize("role", ["watcher", "atime", "lock_manager"])
def test_variables_of_roles_exist(role: str) -> None:
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    named = {w for path in GUIDES for w in words_of(path) if w.startswith(f"{role}_")}
    assert named <= set(options)


def test_commands_exist() -> None:
    parsers = {"watcher": watcher._parser(), "atime": atime._parser()}
    seen = 0
    for path in GUIDES:
        text = path.read_text(encoding="utf-8")
        for name, line in re.findall(
            r"(?:^\$ |`)lockstep-(watcher|atime) ([^`\n#]+)", text, re.MULTILINE
        ):
            words = line.replace("FILE...", "FILE").split()
            parsers[name].parse_args(["--config", "FILE", *words])
            seen += 1
        for name in re.findall(r"ansible-playbook lockstep\.qumulo\.(\w+)", text):
            assert (ROOT / "playbooks" / f"{name}.yml").exists(), f"{path.name}: {name}"
            seen += 1
    assert seen > 10


def test_variables_of_playbooks_exist() -> None:
    for path in GUIDES:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for name, rest in re.findall(r"ansible-playbook lockstep\.qumulo\.(\w+)([^\n`]*)", text):
            content = (ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8")
            for variable in re.findall(r"-e '?(?:\{\")?(\w+)", rest):
                assert variable in content, f"{path.name}: {name} has no {variable}"


def messages() -> str:
    """All texts of the library."""
    found = []
    for path in sorted((ROOT / "plugins" / "module_utils").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_messages_are_those_of_the_library() -> None:
    known = messages()
    guide = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `([^`]+)` \|", guide, re.MULTILINE)
    assert len(quoted) > 10
    for message in quoted:
        for part in message.split("…"):
            assert part.strip() in known, message
