# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the documentation site; run by ``make docs``."""

from __future__ import annotations

import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

project = "lockstep.qumulo"
copyright = "2026, Lockstep developers"
release = version = os.environ.get("LOCKSTEP_VERSION", "")
html_title = html_short_title = f"lockstep.qumulo {release}".rstrip()

extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["collections/index.rst", "collections/environment_variables.rst"]
myst_heading_anchors = 3

html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_index = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
nitpicky = True

#: What the reference names of Ansible's own documentation, which is not fetched for a build.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
ELSEWHERE = {
    "common_return_values": f"{ANSIBLE}/reference_appendices/common_return_values.html",
    "ansible_configuration_settings": f"{ANSIBLE}/reference_appendices/config.html",
}


def _elsewhere(
    app: Sphinx, env: Any, node: nodes.Element, content: nodes.Element
) -> nodes.reference | None:
    """Link a label that is not of this site."""
    url = ELSEWHERE.get(node.get("reftarget", ""))
    return None if url is None else nodes.reference("", "", content, refuri=url, internal=False)


def setup(app: Sphinx) -> None:
    """Join Sphinx."""
    app.connect("missing-reference", _elsewhere)
