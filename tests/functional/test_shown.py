# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What documents show works as it stands.

Tasks and plays are run on a simulated cluster, plays of roles as far as they go without a host (see
``test_shown_services.py``), and what is typed is typed. Where a block is not run, :data:`NOT_RUN`
says why. A block that nobody has decided about fails.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from qumulo.rest_client import RestClient

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check import probes
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from . import search_engine
from .documented import BLOCKS, GUIDES, Block, blocks, shown
from .furnished import furnish, local, play, playbook, recap, typed

TASKS = [block for block in BLOCKS if block.is_tasks]
#: What is typed, and words that come of it.
TYPED = {
    ("README.md", "ansible localhost -m lockstep.qumulo.qumulo_smb_lock_info -a"): '"count": 1',
    ("docs/incremental_copies.md", "ansible-playbook lockstep.qumulo.incremental_copy"): "failed=0",
    ("README.md", "ansible-playbook lockstep.qumulo.free_locked_file"): "jane from",
    ("docs/incremental_copies.md", "install -d -m 0700 /srv/lists"): "failed=0",
    ("docs/locked_files.md", "ansible-playbook lockstep.qumulo.free_locked_file"): "jane from",
    ("docs/operations.md", "export PYTHONPATH"): "logged in as admin.",
    ("docs/worm.md", "ansible-playbook lockstep.qumulo.lock_finished_project"): "+++ after",
    ("playbooks/check_connection.yml", "ansible-playbook"): "logged in as admin.",
    ("playbooks/free_locked_file.yml", "ansible-playbook"): "jane from",
    ("playbooks/incremental_copy.yml", "ansible-playbook"): "failed=0",
    ("playbooks/list_changes.yml", "ansible-playbook"): "failed=0",
    ("playbooks/lock_finished_project.yml", "ansible-playbook"): "is retained until",
    ("playbooks/quarantine.yml", "ansible-playbook"): "failed=0",
    ("tests/simulator/README.md", "export QUMULO_HOST"): "failed=0",
}
#: Blocks that a test of their own runs.
APART = {
    ("docs/first_day.md", "qq --host 10.0.0.11 login"): "test_the_first_day",
    ("docs/first_day.md", "qq --host 10.0.0.11 auth_add_user"): "test_the_first_day",
    ("docs/first_day.md", "(umask 077; qq --host 10.0.0.11 auth_create"): "test_the_first_day",
    ("docs/first_day.md", "export QUMULO_HOST"): "test_the_first_day",
    ("docs/incremental_copies.md", "export SEARCH_PASSWORD"): "test_a_search_index_is_fed",
    ("playbooks/search_index.yml", "ansible-playbook"): "test_a_search_index_is_fed",
    ("docs/lock_manager.md", "cluster:"): "test_configurations_of_the_lock_manager",
    ("docs/lock_manager.md", "listen_address:"): "test_configurations_of_the_lock_manager",
    ("docs/lock_manager.md", "server {"): "test_the_page_works_behind_nginx",
    ("docs/lock_manager.md", "locks.example.com {"): "test_the_page_works_behind_caddy",
    ("docs/operations.md", "systemctl status"): "test_what_is_typed_every_day",
    ("docs/operations.md", "scrape_configs:"): "test_prometheus",
    ("docs/worm.md", "lockstep-watcher --check"): "test_roles_are_used_as_shown",
    ("docs/worm.md", "lockstep-watcher verify"): "test_what_is_typed_every_day",
    ("docs/troubleshooting.md", "-e 'locked_file="): "test_values_are_quoted_as_shown",
    ("tests/simulator/README.md", ".venv/bin/python -m tests.simulator"): "test_the_simulator",
    ("tests/simulator/README.md", "curl -d"): "test_the_control_api",
    ("CONTRIBUTING.md", "minor_changes:"): "test_a_fragment_is_what_the_changelog_takes",
}
#: Blocks that are not run, and why.
NOT_RUN = {
    ("README.md", "ansible-galaxy collection build"): (
        "The step 'release' builds the artifact and installs it, offline and into an empty home."
    ),
    ("README.md", "ansible-rulebook"): "tests/eda types it.",
    ("extensions/eda/rulebooks/quarantine.yml", "ansible-rulebook"): "tests/eda types it.",
    ("extensions/eda/rulebooks/quiet_project.yml", "ansible-rulebook"): "tests/eda types it.",
    ("docs/access_times.md", "global("): "test_atime_forwarded runs it, with rsyslogd.",
    ("docs/events.md", "action:"): "tests/eda runs the rulebook that it is of.",
    ("docs/events.md", "condition:"): (
        "Its playbook is the reader's; test_change_feed receives the event that it waits for."
    ),
    ("docs/lock_manager.md", "lockstep-lock-manager verify"): (
        "test_lock_manager_record verifies records with the command."
    ),
    ("docs/first_day.md", "pip install"): (
        "It fetches from Galaxy; test_execution_environment installs the Python packages."
    ),
    ("docs/locked_files.md", "-e locked_file_plan="): "test_free_locked_file types it.",
    ("docs/locked_files.md", "-e locked_file_confirm="): "test_free_locked_file types it.",
    ("CONTRIBUTING.md", "git clone"): "It is how these tests are run.",
    ("SECURITY.md", "sha256sum"): "The step 'release' types it where it has built the artifact.",
    ("playbooks/awx/apply.yml", "ansible-playbook"): "test_job_templates applies it.",
    ("playbooks/changelist_report.yml", "ansible-playbook"): (
        "It needs checkpoints of before; test_playbooks makes some and runs it."
    ),
    ("playbooks/storagedna_handover.yml", "ansible-playbook"): (
        "It needs StorageDNA's configuration; test_playbooks runs it with one."
    ),
}


def decided(table: dict[tuple[str, str], str], block: Block) -> list[tuple[str, str]]:
    """Entries of a table that are about a block."""
    document, first = block.key
    return [key for key in table if key[0] == document and first.startswith(key[1])]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_every_block_is_decided_about(block: Block) -> None:
    entries = [decided(table, block) for table in (TYPED, APART, NOT_RUN)]
    ways = sum(map(len, entries)) + block.is_tasks + block.is_roles
    assert ways == 1, f"{block.where}: run it, or say in NOT_RUN why not ({ways} decisions)"


@pytest.mark.parametrize("table", [TYPED, APART, NOT_RUN], ids=["TYPED", "APART", "NOT_RUN"])
def test_every_decision_is_about_a_block(table: dict[tuple[str, str], str]) -> None:
    about = [key for block in BLOCKS for key in decided(table, block)]
    assert sorted(about) == sorted(table)


def test_blocks_that_are_run_apart_are() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_shown*.py"))
    for name in APART.values():
        assert f"\ndef {name}" in tests, name


# -- tasks and plays ----------------------------------------------------------------------------


@pytest.mark.parametrize("document", sorted({block.document for block in TASKS}))
def test_tasks_run_as_they_stand(document: str, simulator: Simulator, tmp_path: Path) -> None:
    if shutil.which("rsync") is None and "rsync --" in "".join(b.text for b in TASKS):
        pytest.skip("rsync is not installed")
    furnish(simulator, tmp_path)
    texts = [local(b.text, simulator, tmp_path) for b in TASKS if b.document == document]
    done = play(simulator, tmp_path, playbook(texts))
    assert done.returncode == 0, done.stdout + done.stderr
    counted = recap(done)
    # The first list of a checkpoint has no deletions.
    deleting = sum("when: changes.first is defined" in text for text in texts)
    assert counted["skipped"] <= deleting, done.stdout
    assert counted["ignored"] == counted["rescued"] == 0, done.stdout
    assert counted["ok"] > 0


@pytest.mark.parametrize("document", ["README.md", "docs/incremental_copies.md"])
def test_the_shown_copy_deletes_what_is_gone(
    document: str, simulator: Simulator, tmp_path: Path
) -> None:
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not installed")
    furnish(simulator, tmp_path)
    block = shown(document, "- name: List what has changed since the last copy")
    copying = playbook([local(block.text, simulator, tmp_path)])
    first = play(simulator, tmp_path, copying)
    assert first.returncode == 0, first.stdout + first.stderr
    assert (tmp_path / "backup" / "of today").exists()
    rest = RestClient(simulator.addresses[0], simulator.port, timeout=120)
    rest.login("admin", simulator.password())
    rest.fs.delete("/projects/of today")
    (tmp_path / "mount" / "of today").unlink()
    second = play(simulator, tmp_path, copying)
    assert second.returncode == 0, second.stdout + second.stderr
    assert not (tmp_path / "backup" / "of today").exists()
    assert (tmp_path / "backup" / "apollo" / "plan.pdf").exists()
    assert recap(second)["skipped"] == 0


def test_the_shown_copy_is_that_of_the_playbook() -> None:
    content = (ROOT / "playbooks" / "incremental_copy.yml").read_text(encoding="utf-8")
    (copying,) = (
        task["ansible.builtin.command"]["argv"]
        for task in yaml.safe_load(content)[0]["tasks"]
        if task["name"] == "Copy what has changed"
    )
    for document in ("README.md", "docs/incremental_copies.md"):
        tasks = shown(document, "- name: List what has changed since the last copy").data()
        (argv,) = (t["ansible.builtin.command"]["argv"] for t in tasks if "copied" in t.values())
        # Only the playbook keeps a marker in the copy.
        assert argv[:-2] == [word for word in copying[:-2] if "copy_marker" not in word], document


# -- what is typed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if decided(TYPED, b)], ids=lambda block: block.where
)
def test_what_is_typed_works(block: Block, simulator: Simulator, tmp_path: Path) -> None:
    if shutil.which("rsync") is None and "incremental_copy" in block.text:
        pytest.skip("rsync is not installed")
    furnish(simulator, tmp_path)
    simulator.control("files/put", path="/projects/a.locked")
    tasks = "- lockstep.qumulo.qumulo_snapshot_info:\n"
    (tmp_path / "my-playbook.yml").write_text(playbook([tasks]))
    done = typed(simulator, tmp_path, block.script())
    assert done.returncode == 0, done.stdout
    (key,) = decided(TYPED, block)
    assert TYPED[key] in done.stdout, done.stdout


@pytest.mark.parametrize(
    "key", [key for key, test in APART.items() if test == "test_a_search_index_is_fed"], ids=str
)
def test_a_search_index_is_fed(key: tuple[str, str], simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    with search_engine.running() as engine:
        script = shown(*key).script().replace("https://search.example.com:9200/files", engine.url)
        done = typed(simulator, tmp_path, script, STATE_DIRECTORY=str(tmp_path / "state"))
        assert done.returncode == 0, done.stdout
    assert "apollo/plan.pdf" in engine.paths


def test_the_first_day_makes_accounts_that_suffice(simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    made = [b for b in blocks(ROOT / "docs" / "first_day.md") if b.language == "bash"]
    (tmp_path / "token").unlink()
    script = "".join(block.script() for block in made)
    asked = "login -u admin\n"  # the password is asked for on a terminal
    assert asked in script
    script = script.replace(asked, f"login -u admin -p {simulator.password()}\n")
    done = typed(simulator, tmp_path, script)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    texts = "".join(block.text for block in made)
    passwords = dict(re.findall(r"auth_add_user --name (\w+) --password '(.*)'$", texts, re.M))
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
    by_token = Settings(
        hosts=tuple(simulator.addresses),
        port=simulator.port,
        access_token_file=str(tmp_path / "token"),
        ca_path=simulator.ca_file,
    )
    found = list(probes.run(by_token, ["modules"]))
    assert [finding.level for finding in found] == ["ok"] * len(found), found
    check = shown("docs/first_day.md", "export QUMULO_HOST").script()
    check = check.replace("QUMULO_PASSWORD=...", f"QUMULO_PASSWORD='{passwords['ansible']}'")
    done = typed(simulator, tmp_path, check, QUMULO_USERNAME="", QUMULO_PASSWORD="")
    assert done.returncode == 0 and "logged in as ansible." in done.stdout, done.stdout


def test_commands_of_the_vendor_within_sentences_work(simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    named = {
        command
        for path in GUIDES
        for command in re.findall(r"`(qq [^`]+)`", path.read_text(encoding="utf-8"))
        if not command.startswith("qq login")
    }
    assert named
    login = f"qq login -u admin -p {simulator.password()}\n"
    done = typed(simulator, tmp_path, login + "\n".join(sorted(named)))
    assert done.returncode == 0, done.stdout


def test_the_simulator_is_started_as_shown() -> None:
    block = shown("tests/simulator/README.md", ".venv/bin/python")
    (line,) = block.text.splitlines()
    arguments = line.removeprefix(".venv/bin/python ").split()
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE) as begun:
        try:
            assert begun.stdout is not None
            facts = json.loads(begun.stdout.readline())
        finally:
            begun.send_signal(signal.SIGTERM)
        assert begun.wait(60) == 0
    text = block.path.read_text(encoding="utf-8").split("prints one line of JSON")[1]
    promised = re.findall(r"`(\w+)`", text.split("It runs until")[0])
    assert promised and set(promised) <= set(facts)
    assert facts["pid"] == begun.pid


def test_the_control_api_is_called_as_shown(simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    script = shown("tests/simulator/README.md", "curl -d").script()
    url = "http://127.0.0.1:CONTROL_PORT"
    assert url in script
    script = script.replace(url, f"--fail {simulator.control_url}", 1)
    done = typed(simulator, tmp_path, script)
    assert done.returncode == 0, done.stdout
    rest = RestClient(simulator.addresses[0], simulator.port, timeout=120)
    rest.login("admin", simulator.password())
    assert rest.fs.get_file_attr(path="/report.pdf")["size"] == "4"


def test_values_are_quoted_as_shown(simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    message = "<{{ locked_file }}>{{ locked_file_spare | default('') }}"
    show = yaml.safe_dump([{"ansible.builtin.debug": {"msg": message}}])
    (tmp_path / "show.yml").write_text(playbook([show]))
    lines = shown("docs/troubleshooting.md", "-e 'locked_file=").text.splitlines()
    trap = "-e 'locked_file=/finance/Budget 2026.xlsx'"
    assert trap in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    answers = []
    for line in (trap, *lines):
        done = typed(simulator, tmp_path, f"ansible-playbook show.yml {line}")
        assert done.returncode == 0, done.stdout
        answers.append(done.stdout)
    assert "</finance/Budget>" in answers[0]
    assert all("</finance/Budget 2026.xlsx>" in answer for answer in answers[1:])
    assert "scan" in answers[2]


def test_a_fragment_is_what_the_changelog_takes() -> None:
    shown_sections = shown("CONTRIBUTING.md", "minor_changes:").data()
    config = yaml.safe_load((ROOT / "changelogs" / "config.yaml").read_text(encoding="utf-8"))
    assert set(shown_sections) <= {name for name, _title in config["sections"]}
    assert all(isinstance(line, str) for lines in shown_sections.values() for line in lines)
