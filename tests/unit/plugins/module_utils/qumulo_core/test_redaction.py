# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import gc
import html
import http.client
import json
from urllib.parse import quote, quote_plus

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import redaction
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.redaction import (
    MASK,
    Redactor,
    masked,
    redact,
    remember,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings

SECRET = "pa ss/w\u00f6rd&<'\"\\\\%\n\0end+of=it"


@pytest.mark.parametrize(
    "made",
    [
        SECRET,
        repr(SECRET),
        repr(SECRET.encode()),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        html.escape(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.splitlines()[0],
    ],
)
def test_every_form_of_a_secret_is_masked(made: str) -> None:
    redactor = Redactor()
    redactor.hold(SECRET)
    shown = redactor.redact(f"before {made} after")
    assert shown.startswith("before ") and shown.endswith(" after")
    assert MASK in shown
    for part in ("ss/w", "rd&", "end+of"):
        assert part not in shown


def test_what_http_client_says_of_a_token_is_masked() -> None:
    token = "access-v1:MARKER\n"
    with masked(token):
        connection = http.client.HTTPConnection("127.0.0.1")
        connection.putrequest("GET", "/")
        with pytest.raises(ValueError, match="MARKER") as caught:
            connection.putheader("Authorization", f"Bearer {token}")
        assert "MARKER" not in redact(str(caught.value))


def test_short_texts_stay() -> None:
    remember("abc")
    with masked("xyz"):
        assert redact("abcxyz") == "abcxyz"


def test_the_longest_secret_wins() -> None:
    redactor = Redactor()
    for secret in ("secret", "secret-and-more"):
        redactor.hold(secret)
    assert redactor.redact("secret-and-more") == MASK


def test_a_secret_is_forgotten_with_its_last_owner() -> None:
    one, other = (Settings(hosts=("a",), access_token="tok-of-two-owners") for _turn in "ab")
    assert redact("tok-of-two-owners") == MASK
    del one
    gc.collect()
    assert redact("tok-of-two-owners") == MASK
    del other
    gc.collect()
    assert redact("tok-of-two-owners") == "tok-of-two-owners"


def test_a_finalizer_may_drop_a_secret_while_others_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redactor = Redactor()
    secrets = [f"{number} is a secret" for number in range(3)]
    for secret in secrets:
        redactor.hold(secret)
    real = redaction.forms_of
    left = secrets[1:]

    def forms_of(secret: str) -> set[str]:
        if left:
            redactor.drop(left.pop())  # as when a client that nobody uses is collected now
        return real(secret)

    monkeypatch.setattr(redaction, "forms_of", forms_of)
    assert redactor.redact(f"A: {secrets[0]}") == f"A: {MASK}"
    assert redactor.redact(f"A: {secrets[1]}") == f"A: {secrets[1]}"


def test_errors_do_not_quote_secrets() -> None:
    with masked("hunter-two"):
        error = InputError("the lower layer said: hunter-two")
    assert error.message == str(error) == f"the lower layer said: {MASK}"


@pytest.mark.parametrize("token", ["MARKER-of\n-the-test", "MARKER-\u00e9", "MARKER\0x"])
def test_settings_refuse_a_secret_without_quoting_it(token: str) -> None:
    for options in ({"access_token": token}, {"username": "u", "password": "MARKER\0x"}):
        with pytest.raises(InputError) as caught:
            Settings(hosts=("a",), **options)
        assert "MARKER" not in caught.value.message


def test_settings_take_a_token_with_the_end_of_its_line() -> None:
    settings = Settings(hosts=("a",), access_token="access-v1:tok\n")
    assert settings.access_token == "access-v1:tok"
    settings = Settings(hosts=("a",), username=" u\n", password=" p \n")
    assert (settings.username, settings.password) == ("u", " p ")


def test_a_short_text_leaves_the_pattern_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    redactor.hold("hunter-two")
    assert redactor.redact("hunter-two") == MASK
    # An empty form field comes with each request: the pattern must not be built again for it.
    monkeypatch.setattr(redaction, "forms_of", pytest.fail)
    redactor.hold("")
    redactor.drop("")
    assert redactor.redact("hunter-two") == MASK
