# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser without a window, for those who do not need one: what the page sends and refuses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import requests

TIMEOUT = 120.0


def until(condition: Callable[[], bool]) -> None:
    """Ask until something is so.

    :raises TimeoutError: it never was.
    """
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came to what was waited for")
        time.sleep(0.02)


class Visitor:
    """Somebody who talks to the page, with the cookies of a browser.

    :param url: of the page.
    :param ca_file: that signed its certificate.
    """

    def __init__(self, url: str, ca_file: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        self._ca_file = ca_file

    def trust_plain_http(self) -> None:
        """Send Secure cookies over plain HTTP too, as a proxy with TLS makes it look."""

        def keep(answer: requests.Response, **_options: Any) -> None:
            kept = {**self.http.cookies, **answer.cookies}
            self.http.headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in kept.items())

        self.http.hooks["response"].append(keep)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask for a page; redirects are not followed."""
        return self._ask("GET", path, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> requests.Response:
        """Send a form; redirects are not followed."""
        return self._ask("POST", path, data=data if data is not None else "", **options)

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"allow_redirects": False, "timeout": TIMEOUT, **options}
        return self.http.request(method, self.url + path, verify=self._ca_file, **options)

    def token(self, path: str) -> str:
        """Return the CSRF token of a page's form."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None, f"{path} has no form"
        return found.group(1)

    def try_login(self, username: str, password: str, **fields: str) -> requests.Response:
        """Send the form of the login page."""
        form = {"csrf": self.token("/login"), "username": username, "password": password, **fields}
        return self.post("/login", form)

    def log_in(self, username: str, password: str) -> Visitor:
        """Log in, and be sure of it."""
        answer = self.try_login(username, password)
        assert answer.status_code == 303, answer.text
        return self

    def json(self, path: str) -> Any:
        """Ask the API, and be sure of an answer."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def confirm(self, **fields: str) -> tuple[requests.Response, str]:
        """Ask for a confirmation; return it with its plan."""
        answer = self.post("/confirm", {"csrf": self.token("/"), **fields})
        found = re.search(r'name="plan" value="([^"]+)"', answer.text)
        return answer, found.group(1) if found is not None else ""

    def close(self, plan: str, reason: str = "") -> Any:
        """Carry a plan out; return what became of it."""
        answer = self.post("/close", {"csrf": self.token("/"), "plan": plan, "reason": reason})
        assert answer.status_code == 303, answer.text
        path = "/api/v1" + answer.headers["location"]
        until(lambda: self.json(path)["finished"])
        return self.json(path)
