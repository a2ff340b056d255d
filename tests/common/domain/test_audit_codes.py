"""Each action has the audit message of DICOM that is made for it."""

from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts

from common.domain.audit_codes import CODES, MINOR, SERIOUS, SUCCESS, class_of, outcome_of
from common.domain.audit_events import Kind
from fr_hub.web.app import API
from fr_hub.web.route_table import KnownRoute
from tests.fr_hub.web.test_every_route import TABLE

ACTIONS = {"110101": "R", "110105": "D", "110106": "R", "110107": "C", "110112": "E", "110113": "E"}
"""The only action that PS3.15 A.5.3 allows in these messages."""

_USER = ("110113", "E", "110137")

CHANGES: dict[str, tuple[str, str, str | None]] = {
    f"PUT {API}/session/password": _USER,
    f"POST {API}/users": _USER,
    f"PATCH {API}/users/{{user}}": _USER,
    f"DELETE {API}/users/{{user}}": _USER,
    f"POST {API}/tokens": _USER,
    f"DELETE {API}/tokens/{{token_id}}": _USER,
    f"POST {API}/admin/register_user": _USER,
    "POST /users": _USER,
    "POST /v1/admin/register_user": _USER,
    f"POST {API}/patients": ("110110", "C", None),
    f"POST {API}/patient": ("110110", "C", None),
    f"PATCH {API}/patients/{{patient_id}}": ("110110", "U", None),
    f"DELETE {API}/patients/{{patient_id}}": ("110110", "D", None),
    f"POST {API}/patient/delete/{{patient_id}}": ("110110", "D", None),
    f"POST {API}/patients/{{patient_id}}/measurements": ("110110", "C", None),
    f"POST {API}/patient/{{patient_id}}/measurements": ("110110", "C", None),
    f"DELETE {API}/measurements/{{measurement_id}}": ("110110", "D", None),
    f"POST {API}/measurements/delete/{{measurement_id}}": ("110110", "D", None),
    f"POST {API}/scans": ("110107", "C", None),
    f"POST {API}/uploads": ("110107", "C", None),
    f"PATCH {API}/uploads/{{upload_id}}": ("110107", "C", None),
    f"DELETE {API}/uploads/{{upload_id}}": ("110107", "C", None),
    f"POST {API}/uploads/{{upload_id}}/finish": ("110107", "C", None),
    f"POST {API}/ecgs": ("110107", "C", None),
    "POST /ecgs": ("110107", "C", None),
    "POST /v1/ecgs": ("110107", "C", None),
    f"DELETE {API}/ecgs/{{ecg_id}}": ("110105", "D", None),
    f"POST {API}/scans/erase": ("110105", "D", None),
    f"POST {API}/scans/requeue": ("110103", "U", None),
    f"POST {API}/scans/reanalyze": ("110103", "U", None),
    f"POST {API}/scans/priority": ("110103", "U", None),
}
"""Of each route that is recorded as a change or deletion: message, action and type."""

CHANGING = (Kind.CHANGE, Kind.DELETE)
RECORDED = [one for one in TABLE.routes if one.kind is not None]


def classified(kind: object, route: str | None = None, **facts: object) -> tuple[Any, ...]:
    found = class_of({"kind": str(kind), **({} if route is None else {"route": route}), **facts})
    return found.code, found.action, found.type


def test_the_codes_are_dicoms() -> None:
    known: Any = concepts
    meanings = {
        code: meaning for one in known["DCM"].values() for code, (meaning, _) in one.items()
    }
    assert {code: meanings[code] for code in CODES} == CODES


def test_each_change_of_the_api_has_its_message() -> None:
    changes = {one.name: one for one in RECORDED if one.kind in CHANGING}
    assert {name: classified(one.kind, name) for name, one in changes.items()} == CHANGES


@pytest.mark.parametrize(
    "route", [one for one in RECORDED if one.kind not in CHANGING], ids=lambda one: one.name
)
def test_each_view_of_the_api_has_its_message(route: KnownRoute) -> None:
    code, action, _ = classified(route.kind, route.name)
    path = route.template.removeprefix(API).removeprefix("/v1")
    if route.kind in (Kind.SIGN_IN, Kind.SIGN_OUT):
        assert code == "110114"
    elif path.startswith("/audit"):
        assert code == "110101"
    elif path.startswith(("/patient", "/measurements")):
        assert (code, action) == ("110110", "R")
    elif path.startswith(("/scans/{key}", "/ecgs/{ecg_id}")):
        assert (code, action) == ("110106" if route.kind == Kind.EXPORT else "110103", "R")
    else:
        assert code == ("110106" if path == "/reports.csv" else "110112")


@pytest.mark.parametrize("kind", [*Kind, "of a later release"])
def test_each_message_has_an_action_that_dicom_allows(kind: str) -> None:
    code, action, _ = classified(kind) if kind != Kind.ANCHOR else ("", "E", None)
    assert action == ACTIONS.get(code, action)


def test_what_is_recorded_without_a_route_has_its_message_too() -> None:
    assert classified(Kind.CHANGE, account="ada") == _USER  # by `fr users`
    assert classified(Kind.DELETE, account="ada") == _USER
    assert classified(Kind.DELETE, patient_id="p-1") == ("110110", "D", None)
    assert classified(Kind.CHANGE, f"POST {API}/session/one-time") == _USER
    assert classified(Kind.REFUSE) == ("110113", "E", "110126")
    assert classified(Kind.REFUSE, f"GET {API}/audit") == ("110113", "E", "110132")
    assert classified(Kind.REFUSE, f"POST {API}/session") == ("110114", "E", "110122")
    assert classified("of a later release", f"GET {API}/new") == ("110113", "E", None)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"kind": "view", "route": "GET /x", "status": 200}, SUCCESS),
        ({"kind": "view", "route": "GET /x", "status": 404}, MINOR),
        ({"kind": "change", "route": "POST /x", "outcome": "asked for"}, SUCCESS),
        ({"kind": "change", "route": "POST /x", "status": 503}, SERIOUS),
        ({"kind": "change", "route": "POST /x", "status": None}, SERIOUS),
        ({"kind": "refuse", "route": "GET /x", "status": 403}, MINOR),
        ({"kind": "error"}, SERIOUS),
        ({"kind": "receive"}, SUCCESS),
        ({"kind": "damaged entry"}, SERIOUS),
    ],
)
def test_the_outcome_follows_from_the_status_or_the_kind(
    facts: dict[str, object], outcome: int
) -> None:
    assert outcome_of(facts) == outcome
