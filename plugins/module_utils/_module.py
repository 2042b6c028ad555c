# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AnsibleModule side of every module: connection options, client, errors, diff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from . import _environment, _nulls, _option_rules, _url_passwords, _whole_texts
from ._answers import Answer
from ._failures import guarded
from .qumulo_core.client import Client
from .qumulo_core.process import collect_rarely
from .qumulo_core.settings import Settings

#: ``(client, params, check_mode) -> result``: what a module does, free of Ansible.
Action = Callable[[Client, "dict[str, Any]", bool], "dict[str, Any]"]


def connection_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the options that all modules share (documented in ``doc_fragments/connection``)."""
    return {
        "host": {
            "type": "list",
            "elements": "str",
            "required": True,
            "fallback": (_environment.fallback, ["QUMULO_HOST"]),
        },
        "port": {
            "type": "int",
            "default": 8000,
            "fallback": (_environment.fallback, ["QUMULO_PORT"]),
        },
        "username": {"type": "str", "fallback": (_environment.fallback, ["QUMULO_USERNAME"])},
        "password": {
            "type": "str",
            "no_log": True,
            "fallback": (_environment.fallback, ["QUMULO_PASSWORD"]),
        },
        "access_token": {
            "type": "str",
            "no_log": True,
            "fallback": (_environment.fallback, ["QUMULO_ACCESS_TOKEN"]),
        },
        "access_token_file": {"type": "path", "no_log": False},
        "credentials_file": {"type": "path", "no_log": False},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path", "fallback": (_environment.fallback, ["QUMULO_CA_PATH"])},
        "timeout": {"type": "float", "default": 30.0},
        "retries": {"type": "int", "default": 10},
    }


class QumuloModule(AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule that takes a string as one value, and knows which options the task sets.

    Ansible splits a string that is given for a list at its commas: ``/a/Smith,2`` would be two
    names. Here strings are put into lists before Ansible sees them.

    :ivar named: the options that the task sets; the others have their defaults.
    """

    named: frozenset[str]

    def __init__(self, argument_spec: dict[str, Any], **kwargs: Any) -> None:
        self._whole: _whole_texts.Prepared | None = None
        self._unusable: str | None = None
        super().__init__(argument_spec=argument_spec, **kwargs)
        if self._unusable is not None:
            self.fail_json(msg=self._unusable)
        if self._whole is None or not self._whole.kept_in(self.params):
            self.fail_json(
                msg="This release of ansible-core splits names at commas before the module can "
                "prevent it. Nothing was done. Use a release of ansible-core that the collection "
                "supports."
            )
        if self._whole.problem is not None:
            self.fail_json(msg=self._whole.problem)

    def _load_params(self) -> None:
        """Read the parameters, and put a string that is given for a list into a list of one."""
        super()._load_params()
        self.no_log_values.update(_url_passwords.of(self.params.get("host"), "QUMULO_HOST"))
        _nulls.take_out(self.params, connection_argument_spec())
        self._unusable = _nulls.problem(self.argument_spec, self.params)
        if (
            self._unusable is None
            and connection_argument_spec().keys() <= self.argument_spec.keys()
        ):
            self._unusable = _environment.host_problem(self.params)
        self.named = frozenset(self.params)
        self._whole = _whole_texts.prepare(self.argument_spec, self.params)
        self.params.update(self._whole.params)

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        """End with a sentence: that about an unusable option, if one explains the failure."""
        super().fail_json(self._unusable or msg, **kwargs)
        raise AssertionError("fail_json does not return")


def run(
    action: Action,
    argument_spec: dict[str, Any],
    *,
    answer: Answer,
    rules: Sequence[_option_rules.Rule] = (),
    **kwargs: Any,
) -> None:
    """Run a module: parse its options, connect, call ``action`` and report what it returns.

    The result of ``action`` goes to ``exit_json``, with the sentence of ``answer`` as ``msg``.
    ``diff`` is included only with ``--diff``, and ``warnings`` become warnings. See :func:`guarded`
    for failures.

    :param rules: which options need or exclude others.
    """
    spec = connection_argument_spec()
    spec.update(argument_spec)
    module = QumuloModule(spec, **kwargs)
    collect_rarely()

    def work() -> tuple[str, dict[str, Any]]:
        _environment.check_port(module.params)
        _option_rules.check(_option_rules.Options(module.params, module.named, spec), rules)
        with Client(_settings(module.params)) as client:
            result = action(client, module.params, module.check_mode)
        return answer(result, module.check_mode), result

    message, result = guarded(module, work)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    diff = result.pop("diff", None)
    if diff is not None and module._diff:
        result["diff"] = diff
    module.exit_json(msg=message, **result)


def _settings(params: dict[str, Any]) -> Settings:
    """Return connection settings for module options.

    If several kinds of credentials are set, the most specific wins: a token, a token file, user
    name and password. A password in the environment must not override a token in a play. An empty
    value counts as not set, because automation controllers set the environment variables of
    credentials that were left out.
    """
    token, token_file = params["access_token"] or None, params["access_token_file"] or None
    with_token = token is not None or token_file is not None
    return Settings(
        hosts=tuple(params["host"]),
        port=params["port"],
        username=None if with_token else params["username"] or None,
        password=None if with_token else params["password"] or None,
        access_token=token,
        access_token_file=token_file,
        credentials_file=params["credentials_file"] or None,
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"] or None,
        timeout=params["timeout"],
        retries=params["retries"],
    )
