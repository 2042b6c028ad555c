# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks answers against the shapes of the vendor's REST API guide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from .messages import Answer, ApiError

SHAPES = Path(__file__).parent / "rest-api.json"


def _schema(shape: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema for a shape: null is allowed anywhere, unknown members nowhere."""
    kind = shape.get("type")
    schema: dict[str, Any] = {}
    if kind is not None:
        schema["type"] = [kind, "null"]
    if "enum" in shape:
        schema["enum"] = [*shape["enum"], None]
    if kind == "object" and shape.get("properties"):
        schema["properties"] = {k: _schema(v) for k, v in shape["properties"].items()}
        schema["additionalProperties"] = False
    if kind == "array":
        schema["items"] = _schema(shape["items"])
    return schema


class Validator:
    """The shapes of all endpoints, compiled once."""

    def __init__(self) -> None:
        endpoints = json.loads(SHAPES.read_text(encoding="utf-8"))["endpoints"]
        self._bodies: dict[str, jsonschema.Draft202012Validator] = {}
        self._statuses: dict[str, set[int]] = {}
        for name, shape in endpoints.items():
            self._statuses[name] = {int(status) for status in shape["status"]}
            body = shape.get("response_body")
            if body is None:
                continue
            schema = _schema(body)
            if body.get("type") == "object":
                schema["properties"]["paging"] = {
                    "type": "object",
                    "properties": {"next": {"type": ["string", "null"]}},
                    "required": ["next"],
                    "additionalProperties": False,
                }
            self._bodies[name] = jsonschema.Draft202012Validator(schema)

    def check(self, endpoint: str, reply: Answer) -> None:
        """Compare an answer with its shape.

        :raises ApiError: 500 that says where it differs
        """
        statuses = self._statuses.get(endpoint)
        if statuses is not None and reply.status not in statuses:
            raise ApiError(500, f"{endpoint} answered with status {reply.status}")
        body = self._bodies.get(endpoint)
        if body is None or not reply.body:
            return
        for error in body.iter_errors(json.loads(reply.body)):
            where = "/".join(str(part) for part in error.absolute_path)
            raise ApiError(500, f"{endpoint} differs from its shape at {where}: {error.message}")
