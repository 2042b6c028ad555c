# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services' role does with a configuration, on directories of a test."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.tools.environment import clean_environment
from tests.tools.tree import ROOT, linked_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the role writes files of root")
#: What has the role configure a service, and say whether it would restart it.
PLAY = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.include_role": {
                    "name": "lockstep.qumulo._service",
                    "tasks_from": "configure.yml",
                    "public": True,
                },
                "vars": {
                    "_service_config": "{{ config }}",
                    "_service_secrets": {"password": "{{ password }}"},
                    "_service_reloads": ["rules"],
                },
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ _service_needs_start | string }}",
                    "dest": "{{ place }}/needs-start",
                },
                "vars": {"_service_config": "{{ config }}", "_service_reloads": ["rules"]},
            },
        ],
    }
]


@lru_cache
def _packed() -> bytes:
    """Return the library as the role packs it for hosts."""
    script = ROOT / "roles" / "_service" / "files" / "pack.py"
    spec = importlib.util.spec_from_file_location("pack", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    packed: bytes = module.pack(ROOT / "plugins" / "module_utils" / "qumulo_core")
    return packed


class Host:
    """A host with a service that runs, as far as the role can tell."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.etc = place / "etc"
        python = place / "release" / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        library = place / "library"
        with tarfile.open(fileobj=io.BytesIO(_packed())) as archive:
            archive.extractall(library)
        # What comes first, -I, would leave out where the library lies here.
        python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={library} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (place / "play.yml").write_text(json.dumps(PLAY))

    def configure(self, password: str, **config: Any) -> subprocess.CompletedProcess[str]:
        """Run the tasks, after what the role does before them."""
        shutil.rmtree(self.place / "before", ignore_errors=True)
        if self.etc.exists():
            shutil.copytree(self.etc, self.place / "before" / "etc")
        variables = {
            "ansible_python_interpreter": sys.executable,
            "ansible_facts": {"getent_passwd": {"root": ["x"]}},
            "place": str(self.place),
            "config": {"cluster": {"host": ["c"], "username": "u"}, **config},
            "password": password,
            "_service_name": "watcher",
            "_service_user": "root",
            "_service_etc": str(self.etc),
            "_service_release": str(self.place / "release"),
            "_service_before": str(self.place / "before"),
            "_service_found_unit": {"stat": {"exists": self.etc.exists()}},
        }
        return subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *("-i", "localhost,", "-e", json.dumps(variables), self.place / "play.yml"),
            ],
            env={**clean_environment(), "ANSIBLE_COLLECTIONS_PATH": str(linked_tree())},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def needs_start(self, password: str, **config: Any) -> bool:
        """Configure it, and return whether it has to be started anew for that."""
        done = self.configure(password, **config)
        assert done.returncode == 0, done.stdout + done.stderr
        return (self.place / "needs-start").read_text() == "True"


def test_what_the_service_does_not_read_again_restarts_it(tmp_path: Path) -> None:
    host = Host(tmp_path)
    rules, others = ([{"path": path, "retention": "1d"}] for path in ("/w", "/v"))
    assert host.needs_start("one", rules=rules, workers=4)
    assert not host.needs_start("one", rules=rules, workers=4)
    assert not host.needs_start("one", rules=others, workers=4)
    assert host.needs_start("one", rules=others, workers=5)


def test_a_configuration_that_is_refused_leaves_credentials_as_they_were(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.configure("one", rules=[{"path": "/w", "retention": "1d"}])
    before = {path: path.read_bytes() for path in host.etc.rglob("*") if path.is_file()}
    done = host.configure("two", rules=[{"path": "/w"}])
    assert done.returncode != 0
    assert "locks nothing" in done.stdout
    assert {path: path.read_bytes() for path in host.etc.rglob("*") if path.is_file()} == before
    assert before[host.etc / "credentials" / "password"] == b"one"
