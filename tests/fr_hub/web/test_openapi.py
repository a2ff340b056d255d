"""The OpenAPI document is precise: a client's types follow from it."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from common.domain.measurement import NewMeasurement
from common.domain.patient import NewPatient, PatientChanges
from fr_hub.web.app import API, OTHERS, ROUTERS
from fr_hub.web.route_table import RouteTable
from fr_hub.web.routes.ecg_aliases import EcgRegistration
from fr_hub.web.routes.patients import PatientSearch
from fr_hub.web.routes.registration import Registration
from fr_hub.web.routes.tokens import NewToken
from fr_hub.web.routes.users import NewUser
from fr_hub.web.scan_changes import Scans, ScansOfAnalyzer, ScansWithPriority
from fr_hub.web.uploads.messages import UploadRequest

SAYS_NOTHING = {"title", "description", "default", "examples"}
NO_TYPE = {"errors"}
"""Fields of answers that are left out where there is nothing to say."""


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def schemas_in(node: Any, document: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """This schema and all that it is made of, each once."""
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        if node["$ref"] not in seen:
            seen.add(node["$ref"])
            name = node["$ref"].removeprefix("#/components/schemas/")
            yield from schemas_in(document["components"]["schemas"][name], document, seen)
        return
    yield node
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for one in node.get(name, ()):
            yield from schemas_in(one, document, seen)
    for name in ("items", "additionalProperties", "contentSchema"):
        yield from schemas_in(node.get(name), document, seen)
    for one in node.get("properties", {}).values():
        yield from schemas_in(one, document, seen)


def answers(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema of an answer, with the operation that it is of."""
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                yield f"{method} {path} {status} {kind}", content["schema"]


def test_nobody_waits_while_the_document_is_made(
    app: FastAPI, stranger: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, may_go_on = threading.Event(), threading.Event()

    def made_slowly() -> dict[str, Any]:
        making.set()
        assert may_go_on.wait(30)
        return {"openapi": "3.1.0"}

    monkeypatch.setattr(app, "openapi", made_slowly)
    with ThreadPoolExecutor() as threads:
        document = threads.submit(stranger.get, f"{API}/openapi.json")
        assert making.wait(30)
        assert stranger.get("/health/ping").status_code == 200
        may_go_on.set()
        assert document.result().json() == {"openapi": "3.1.0"}


def test_no_answer_is_just_anything(document: dict[str, Any]) -> None:
    seen: set[str] = set()
    for name, schema in answers(document):
        for one in schemas_in(schema, document, seen):
            assert one.keys() - SAYS_NOTHING, name
            assert one.get("additionalProperties") is not True, (name, one)
            if one.get("type") == "array":
                assert "items" in one or "prefixItems" in one, (name, one)


def test_each_field_is_in_each_answer(document: dict[str, Any]) -> None:
    seen: set[str] = set()
    for name, schema in answers(document):
        for one in schemas_in(schema, document, seen):
            if one.get("title") == "LiveEvent":  # each kind has some of its fields
                continue
            optional = one.get("properties", {}).keys() - one.get("required", [])
            assert optional <= NO_TYPE, (name, one.get("title"))


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)


def test_each_operation_says_who_may_call_it_and_which_problems_it_has(
    document: dict[str, Any],
) -> None:
    table = RouteTable((*(("", one) for one in OTHERS), *((API, one) for one in ROUTERS)))
    access = {(one.template, one.method.lower()): one for one in table.routes}
    for path, method, operation in operations(document):
        known = access[path, method]
        assert (operation["security"] == []) is (known.access == "anyone"), path
        assert (f"`{known.right}`" in operation["description"]) is (known.right is not None), path
        statuses = operation["responses"].keys()
        assert ("401" in statuses) is (known.access != "anyone")
        assert ("404" in statuses) is ("{" in path)
        for status, answer in operation["responses"].items():
            is_problem = status == "default" or status >= "400"
            kinds = answer.get("content", {}).keys()
            assert ("application/problem+json" in kinds) is is_problem, (path, status)
            assert answer["description"]


def test_examples_are_valid(document: dict[str, Any]) -> None:
    models = {
        one.__name__: one
        for one in (
            *(NewPatient, PatientChanges, PatientSearch, NewMeasurement, NewUser, NewToken),
            *(
                Registration,
                EcgRegistration,
                Scans,
                ScansOfAnalyzer,
                ScansWithPriority,
                UploadRequest,
            ),
        )
    }
    for name, schema in document["components"]["schemas"].items():
        whole = {**schema, "components": document["components"]}
        for example in schema.get("examples", ()):
            Draft202012Validator(whole).validate(example)
            models[name].model_validate_json(json.dumps(example))
    bodies = {
        schema["$ref"].rpartition("/")[2]
        for _, _, operation in operations(document)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "application/json" and "$ref" in (schema := content["schema"])
    }
    without = {name for name in bodies if "examples" not in document["components"]["schemas"][name]}
    assert without == {"SignIn", "OneTime", "PasswordChange", "UserChange"}
