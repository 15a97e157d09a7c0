"""Requests and replies against the WMS's own interface description (OpenAPI 3.1: Draft 2020-12 schemas)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.sandbox.wms.wire import Incoming, Json, RefusedError

DESCRIPTION = Path(__file__).with_name("wms-openapi.json")
_BASE = "urn:wms"
_LONGEST_REASON = 500  # a schema error quotes the whole offending value


class Interface:
    """The interface description, and validators made from it once."""

    def __init__(self, description: Json) -> None:
        self._paths: Json = description["paths"]
        self._objects: Json = description["components"]["schemas"]
        self._parameters: Json = description["components"]["parameters"]
        resource = Resource.from_contents(description, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_BASE, resource)
        self._validators: dict[str, Draft202012Validator] = {}

    def problem_with(self, value: Any, *pointer: str) -> str | None:
        """What is wrong with the value by the schema at this place in the description, or None."""
        fragment = quote("/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer))
        if fragment not in self._validators:
            reference = {"$ref": f"{_BASE}#{fragment}"}
            self._validators[fragment] = Draft202012Validator(reference, registry=self._registry)
        error = best_match(self._validators[fragment].iter_errors(value))
        return None if error is None else f"{error.json_path}: {error.message}"[:_LONGEST_REASON]

    def problem_with_object(self, value: Any, name: str) -> str | None:
        """What is wrong with the value as the named component object (TaskforceObject, ...), or None."""
        return self.problem_with(value, "components", "schemas", name)

    def properties(self, name: str) -> set[str]:
        """The fields that the named component object may have."""
        return set(self._objects[name]["properties"])

    def problem_with_reply(self, method: str, template: str, status: int, body: Any) -> str | None:
        """What is wrong with a reply's body; a status that the description leaves out must carry an error."""
        responses = self._paths[template][method.lower()]["responses"]
        if "content" not in responses.get(str(status), {}):
            return self.problem_with_object(body, "ErrorResponse")
        place = ("paths", template, method.lower(), "responses", str(status))
        return self.problem_with(body, *place, "content", "application/json", "schema")

    def read_request(self, incoming: Incoming, template: str) -> Json:
        """The request's JSON body, {} where none is described; RefusedError (400) when it is not valid."""
        operation = self._paths[template][incoming.method.lower()]
        for parameter in operation.get("parameters", ()):
            self._check_parameter(parameter, incoming)
        if "requestBody" not in operation:
            return {}
        if incoming.content_type != "application/json":
            raise RefusedError(400, "the request needs a body of content type application/json")
        try:
            # Decoded here, strictly: json.loads would let bytes of lone surrogates pass.
            body: Json = json.loads(incoming.body.decode())
        except ValueError as error:
            raise RefusedError(400, f"the request's body is not JSON: {error}") from error
        place = (
            "paths",
            template,
            incoming.method.lower(),
            "requestBody",
            "content",
            "application/json",
            "schema",
        )
        if problem := self.problem_with(body, *place):
            raise RefusedError(400, problem)
        return body

    def _check_parameter(self, parameter: Json, incoming: Incoming) -> None:
        described = (
            self._parameters[parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter
        )
        name = described["name"]
        # An empty value is none.
        if described["in"] == "query" and described["required"] and not incoming.query.get(name):
            raise RefusedError(400, f"Missing required query parameter: {name}")


@cache
def interface() -> Interface:
    """The project's copy of the WMS's interface description, read once."""
    return Interface(json.loads(DESCRIPTION.read_text()))
