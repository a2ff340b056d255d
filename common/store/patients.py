"""Patients of the tenants. Their data is personal: it is in no log, event or error.

A change is made as a whole, or not at all: the pseudonyms that it adds are claimed before
(``common.store.pseudonym_claims``). A new patient is its own claim, and is deleted if another one
has a pseudonym. After a kill in between, two patients may have it: neither is erased with scans
until it is taken from one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from common.domain.patient import NewPatient, PatientChanges
from common.domain.personal_text import words_of
from common.domain.types import Document, utc_now
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.feed_documents import measurement_changed
from common.store.patient_documents import Patient, patient_fields, patient_in
from common.store.pseudonym_claims import PseudonymClaims, PseudonymInUse

COUNTED_MAX = 100_000
"""The most patients that are counted: some 30 ms."""


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
        self._claims = PseudonymClaims(connection)

    @translated
    def add(
        self, tenant: str, patient: str, new: NewPatient, request: str = ""
    ) -> tuple[Patient, bool]:
        """Add a patient under this id. If there is one, it stays, and the second value is False.

        Raises:
            PseudonymInUse: nothing was added.
        """
        if (known := self.get(tenant, patient)) is not None:
            return self._unless_shared(tenant, known)
        if self._claims.is_taken(tenant, patient, new.pseudonyms):
            raise PseudonymInUse
        now = utc_now()
        document: Document = {
            "_id": patient,
            "tenant": tenant,
            **patient_fields(new.model_dump(mode="json"), now),
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
            return self._unless_shared(tenant, known)
        if self._claims.is_taken(tenant, patient, new.pseudonyms):
            self._db.patients.delete_one({"_id": patient, "tenant": tenant, "version": 1})
            raise PseudonymInUse
        return patient_in(document), True

    @translated
    def get(self, tenant: str, patient: str) -> Patient | None:
        """The patient of this id."""
        found = find(self._db.patients, _this(tenant, patient))
        return patient_in(found[0]) if found else None

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
        return [patient_in(one) for one in found]

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
        now = utc_now()
        with self._claims.held(tenant, patient.id, added):
            changed = self._db.patients.find_one_and_update(
                {**_this(tenant, patient.id), "version": patient.version},
                {"$set": {**patient_fields(named, now), "updated_at": now}, "$inc": {"version": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return None if changed is None else patient_in(changed)

    @translated
    def shared(self, tenant: str, patient: Patient) -> bool:
        """Whether another patient has one of this one's pseudonyms."""
        return self._claims.is_taken(tenant, patient.id, patient.pseudonyms)

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

    def _unless_shared(self, tenant: str, known: Patient) -> tuple[Patient, bool]:
        """A patient that was added before: perhaps just now, and not for long."""
        if self._claims.is_taken(tenant, known.id, known.pseudonyms):
            raise PseudonymInUse
        return known, False


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
