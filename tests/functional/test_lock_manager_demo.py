# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make lock-manager`` runs."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

from tests.tools.tree import ROOT


def test_the_demo_serves_the_page_until_ctrl_c() -> None:
    # What runs in the background of a script ignores Ctrl-C, and what it starts does so, too.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "tests.tools.lock_manager_demo"]
    with ExitStack() as stack:
        demo = stack.enter_context(
            subprocess.Popen([*command, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(demo.kill)
        assert demo.stdout is not None
        told = ""
        for line in demo.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"https://\S+", told)
        assert found is not None and "helpdesk" in told, told
        # The certificate is the run's own, and nobody has its CA.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        opener = urllib.request.build_opener(*handlers)
        with opener.open(f"{found.group()}/health", timeout=120) as answer:
            assert answer.read() == b"ok\n"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(180) == 0
