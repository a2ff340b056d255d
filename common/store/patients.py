"""Patients of the tenants. Their data is personal: it is in no log, event or error.

A pseudonym belongs to one patient of a tenant. ``_id`` is the only unique index of the store, so
whoever gives a patient a pseudonym looks afterwards whether another patient has it too, and takes
it back then. Of two at once, at least one sees the other. After a kill in between, two patients may
have it: neither is erased with scans until it is taken from one of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from common.domain.patient import NewPatient, PatientChanges, PatientIdentifier, Sex
from common.domain.personal_text import name_key, words_of
from common.domain.types import Document, utc_now
from common.store.connection import Connection
from common.store.damage import find, whole
from common.store.error_mapping import translated
from common.store.feed_documents import measurement_changed

COUNTED_MAX = 100_000
"""The most patients that are counted: some 30 ms."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient, as stored."""

    id: str
    name: str
    birth_date: date | None
    age: int | None
    """Years on the day ``age_as_of``; None if the date of birth is known, or neither."""
    age_as_of: date | None
    sex: Sex
    conditions: tuple[str, ...]
    identifiers: tuple[PatientIdentifier, ...]
    pseudonyms: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int
    """Another one after each change."""
    request: str
    """Fingerprint of the request that created it."""


class PatientOrder(StrEnum):
    """Orders of a list of patients."""

    NAME = "name"
    CREATED = "created_at"


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; None does not limit."""

    name: str | None = None
    """Beginnings of words of the name, in any order, case and accents."""
    identifier: str | None = None
    """The whole value of an identifier."""
    pseudonym: str | None = None


Place = tuple[str | datetime, str]
"""The value of the order, and the id, of the last patient of a page."""


class PseudonymInUse(Exception):
    """Another patient of the tenant has one of the pseudonyms."""


@dataclass(frozen=True, slots=True)
class PatientErasure:
    """An erasure of a patient that has begun."""

    tenant: str
    patient: str
    pseudonyms: tuple[str, ...]
    """Whose scans are erased with it."""
    by: str | None


class Patients:
    """Patients."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def add(
        self, tenant: str, patient: str, new: NewPatient, request: str = ""
    ) -> tuple[Patient, bool]:
        """Add a patient under this id. If there is one, it stays, and the second value is False.

        Raises:
            PseudonymInUse: nothing was added.
        """
        if (known := self.get(tenant, patient)) is not None:
            return known, False
        if self._others(tenant, patient, new.pseudonyms):
            raise PseudonymInUse
        now = utc_now()
        document: Document = {
            "_id": patient,
            "tenant": tenant,
            **_stored(new.model_dump(mode="json"), now),
            "created_at": now,
            "updated_at": now,
            "version": 1,
            "request": request,
        }
        try:
            self._db.patients.insert_one(document)
        except DuplicateKeyError:
            if (known := self.get(tenant, patient)) is None:
                raise
            return known, False
        if self._others(tenant, patient, new.pseudonyms):
            self._db.patients.delete_one({"_id": patient, "tenant": tenant, "version": 1})
            raise PseudonymInUse
        return _patient(document), True

    @translated
    def get(self, tenant: str, patient: str) -> Patient | None:
        """The patient of this id."""
        found = find(self._db.patients, _this(tenant, patient))
        return _patient(found[0]) if found else None

    @translated
    def page(
        self,
        tenant: str,
        order: PatientOrder,
        limit: int,
        *,
        search: Search | None = None,
        after: Place | None = None,
        descending: bool = False,
    ) -> list[Patient]:
        """At most ``limit`` patients, those after a place.

        A search reads all that it matches; without one, a page reads as many as it returns.
        """
        by = "name_key" if order is PatientOrder.NAME else "created_at"
        wanted: Document = {"tenant": tenant, "erasing": {"$exists": False}}
        index = "name" if order is PatientOrder.NAME else "created"
        conditions: list[Document] = []
        if search is not None and search.name is not None:
            words = words_of(search.name)
            if not words:
                return []
            # The longest is the rarest; words are letters and digits alone.
            rarest = sorted(words, key=len, reverse=True)
            conditions.extend({"words": {"$regex": f"^{word}"}} for word in rarest)
            index = "words"
        if search is not None and search.identifier is not None:
            wanted["identifiers.value"] = search.identifier
            index = "identifier"
        if search is not None and search.pseudonym is not None:
            wanted["pseudonyms"] = search.pseudonym
            index = "pseudonym"
        if after is not None:
            conditions.extend(_after(by, "_id", after, descending=descending))
        if conditions:
            wanted["$and"] = conditions
        way = -1 if descending else 1
        found = find(
            self._db.patients, wanted, sort=[(by, way), ("_id", way)], limit=limit, hint=index
        )
        return [_patient(one) for one in found]

    @translated
    def count(self, tenant: str) -> int | None:
        """How many patients a tenant has; None: more than ``COUNTED_MAX``."""
        here: Document = {"tenant": tenant}
        number = self._db.patients.count_documents(here, limit=COUNTED_MAX + 1, hint="created")
        if number > COUNTED_MAX:
            return None
        erasing = {**here, "erasing": {"$exists": True}}
        return number - self._db.patients.count_documents(erasing, hint="erasing")

    @translated
    def change(self, tenant: str, patient: Patient, changes: PatientChanges) -> Patient | None:
        """Change a patient; None if it was changed or erased since it was read.

        Raises:
            PseudonymInUse: nothing was changed.
        """
        named = changes.model_dump(mode="json", include=changes.model_fields_set)
        added = set(named.get("pseudonyms", ())) - set(patient.pseudonyms)
        if self._others(tenant, patient.id, added):
            raise PseudonymInUse
        now = utc_now()
        this = _this(tenant, patient.id)
        changed = self._db.patients.find_one_and_update(
            {**this, "version": patient.version},
            {"$set": {**_stored(named, now), "updated_at": now}, "$inc": {"version": 1}},
            return_document=ReturnDocument.AFTER,
        )
        if changed is None:
            return None
        if self._others(tenant, patient.id, added):
            taken = {"$pull": {"pseudonyms": {"$in": sorted(added)}}, "$inc": {"version": 1}}
            self._db.patients.update_one(this, taken)
            raise PseudonymInUse
        return _patient(changed)

    @translated
    def shared(self, tenant: str, patient: Patient) -> bool:
        """Whether another patient has one of this one's pseudonyms."""
        return self._others(tenant, patient.id, patient.pseudonyms)

    @translated
    def begin_erasure(
        self, tenant: str, patient: Patient, pseudonyms: Sequence[str], by: str
    ) -> bool:
        """Leave only a mark of a patient, so that nothing is added or changed any more; False if it
        was changed or erased since it was read. ``complete_erasure`` ends it.

        Args:
            tenant: of the patient.
            patient: as it was read.
            pseudonyms: whose scans are erased with it.
            by: the user who erases it.
        """
        this = {**_this(tenant, patient.id), "version": patient.version}
        mark = {"tenant": tenant, "erasing": True, "erases": [*pseudonyms], "by": by}
        return self._db.patients.replace_one(this, mark).modified_count == 1

    @translated
    def erasure_of(self, tenant: str, patient: str) -> PatientErasure | None:
        """The erasure of this patient that has begun and not ended."""
        wanted = {"_id": patient, "tenant": tenant, "erasing": True}
        return next((_erasure(one) for one in find(self._db.patients, wanted)), None)

    @translated
    def erasures(self) -> list[PatientErasure]:
        """All erasures that have begun and not ended."""
        return [_erasure(one) for one in find(self._db.patients, {"erasing": True})]

    @translated
    def complete_erasure(self, erasure: PatientErasure) -> int:
        """Delete the measurements of a patient, then the mark; returns their number. The scans are
        erased before. Repeatable."""
        patient = {"tenant": erasure.tenant, "patient": erasure.patient}
        self._db.feed.begin()
        gone = self._db.measurements.delete_many(patient)
        self._db.feed.tell(measurement_changed("", erasure.tenant, erasure.patient, "deleted"))
        mark = {"_id": erasure.patient, "tenant": erasure.tenant, "erasing": True}
        self._db.patients.delete_one(mark)
        return gone.deleted_count

    def _others(self, tenant: str, patient: str, pseudonyms: Iterable[str]) -> bool:
        """Whether another patient has one of these pseudonyms."""
        names = sorted(pseudonyms)
        wanted = {"tenant": tenant, "pseudonyms": {"$in": names}, "_id": {"$ne": patient}}
        return bool(names) and self._db.patients.find_one(wanted, {"_id": 1}) is not None


def _erasure(mark: Document) -> PatientErasure:
    # Marks of earlier releases have neither: the scans were erased before.
    pseudonyms = mark.get("erases", [])
    return PatientErasure(mark["tenant"], mark["_id"], tuple(pseudonyms), mark.get("by"))


def _this(tenant: str, patient: str) -> Document:
    return {"_id": patient, "tenant": tenant, "erasing": {"$exists": False}}


def _after(by: str, then: str, place: Sequence[Any], *, descending: bool) -> list[Document]:
    """Conditions for what comes after a place. The first one is the range of the index."""
    value, key = place
    further, up_to = ("$lt", "$lte") if descending else ("$gt", "$gte")
    return [{by: {up_to: value}}, {"$or": [{by: {further: value}}, {then: {further: key}}]}]


def _stored(named: Document, now: datetime) -> Document:
    """What is stored of these fields."""
    made = dict(named)
    if "name" in made:
        made["name_key"] = name_key(made["name"])
        made["words"] = words_of(made["name"])
    if made.get("birth_date") is not None:
        made.update(age=None, age_as_of=None)
    elif made.get("age") is not None:
        made.update(birth_date=None, age_as_of=now.date().isoformat())
    elif "age" in made:
        made["age_as_of"] = None
    return made


def _patient(document: Document) -> Patient:
    """The patient in a document; what is damaged in it counts as not stored."""
    created = _time(document.get("created_at"))
    sex = document.get("sex")
    return Patient(
        id=document["_id"],
        name=str(document.get("name", "")),
        birth_date=_date(document.get("birth_date")),
        age=whole(document.get("age")),
        age_as_of=_date(document.get("age_as_of")),
        sex=Sex(sex) if sex in set(Sex) else Sex.UNKNOWN,
        conditions=tuple(_texts(document.get("conditions"))),
        identifiers=tuple(_identifiers(document.get("identifiers"))),
        pseudonyms=tuple(_texts(document.get("pseudonyms"))),
        created_at=created,
        updated_at=_time(document.get("updated_at")),
        version=whole(document.get("version")) or 0,
        request=str(document.get("request", "")),
    )


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _identifiers(value: object) -> list[PatientIdentifier]:
    some = value if isinstance(value, list) else []
    return [
        PatientIdentifier.model_construct(system=one.get("system"), value=str(one["value"]))
        for one in some
        if isinstance(one, dict) and "value" in one
    ]


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromtimestamp(0, tz=UTC)
