"""Measurements of the tenants' patients. They are never changed: a wrong one is deleted, and sent
again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from common.domain.measurement import NewMeasurement, Part
from common.domain.types import Document, utc_now
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.feed_documents import measurement_changed

_SERIES_MAX = 20
"""Series of a trend: combinations of code and unit."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement, as stored."""

    id: str
    patient: str
    kind: str
    system: str | None
    code: str | None
    display: str
    parts: tuple[Part, ...]
    """One, or the components of a blood pressure."""
    taken_at: datetime
    note: str | None
    created_at: datetime
    request: str
    """Fingerprint of the request that created it."""


@dataclass(frozen=True, slots=True)
class MeasurementsWanted:
    """Which measurements to list; None does not limit."""

    patient: str | None = None
    series: str | None = None
    """Key of a kind or a code: see ``NewMeasurement.series``."""
    since: datetime | None = None
    until: datetime | None = None
    """Those before this time."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The values of a span of time; of one measurement, the span is its time alone."""

    start: datetime
    end: datetime
    """Of the last value in it."""
    count: int
    least: float
    mean: float
    greatest: float


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """The values of one code in one unit, in the order of their times."""

    code: str | None
    unit: str
    count: int
    bucketed: bool
    """Whether a point stands for several values."""
    points: tuple[TrendPoint, ...]


class Measurements:
    """Measurements."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def add(
        self, tenant: str, patient: str, measurement: str, new: NewMeasurement, request: str = ""
    ) -> tuple[Measurement, bool] | None:
        """Add a measurement under this id; None if there is no such patient. If there is one of
        this id, it stays, and the second value is False."""
        if not self._has(tenant, patient):
            return None
        if (known := self.get(tenant, measurement)) is not None:
            return known, False
        code = new.full_code
        document: Document = {
            "_id": measurement,
            "tenant": tenant,
            "patient": patient,
            "kind": str(new.kind),
            "code": code.model_dump(),
            "series": list(new.series),
            "parts": [{"code": p.code, "value": p.value, "unit": p.unit} for p in new.parts],
            "taken_at": new.taken_at,
            "note": new.note,
            "created_at": utc_now(),
            "request": request,
        }
        self._db.feed.begin()
        try:
            self._db.measurements.insert_one(document)
        except DuplicateKeyError:
            if (known := self.get(tenant, measurement)) is None:
                raise
            return known, False
        if not self._has(tenant, patient):  # erased meanwhile
            self.delete(tenant, measurement)
            return None
        self._db.feed.tell(measurement_changed(measurement, tenant, patient, "created"))
        return _measurement(document), True

    @translated
    def get(self, tenant: str, measurement: str) -> Measurement | None:
        """The measurement of this id."""
        found = find(self._db.measurements, {"_id": measurement, "tenant": tenant})
        return _measurement(found[0]) if found else None

    @translated
    def delete(self, tenant: str, measurement: str) -> bool:
        """Delete a measurement; False if there is none."""
        self._db.feed.begin()
        wanted = {"_id": measurement, "tenant": tenant}
        gone = self._db.measurements.find_one_and_delete(wanted, {"patient": 1})
        if gone is not None:
            patient = str(gone.get("patient"))
            self._db.feed.tell(measurement_changed(measurement, tenant, patient, "deleted"))
        return gone is not None

    @translated
    def page(
        self,
        tenant: str,
        wanted: MeasurementsWanted,
        limit: int,
        *,
        after: tuple[datetime, str] | None = None,
        descending: bool = True,
    ) -> list[Measurement]:
        """At most ``limit`` measurements in the order of their times, those after a place: time
        and id of the last one of a page."""
        conditions: list[Document] = [_filter(tenant, wanted)]
        further, up_to, way = ("$lt", "$lte", -1) if descending else ("$gt", "$gte", 1)
        if after is not None:
            at, key = after
            conditions.append({"taken_at": {up_to: at}})
            conditions.append({"$or": [{"taken_at": {further: at}}, {"_id": {further: key}}]})
        found = find(
            self._db.measurements,
            {"$and": conditions},
            sort=[("taken_at", way), ("_id", way)],
            limit=limit,
            hint=_index(wanted),
        )
        return [_measurement(one) for one in found]

    @translated
    def count(self, tenant: str, patient: str) -> int:
        """The number of a patient's measurements."""
        return self._db.measurements.count_documents({"tenant": tenant, "patient": patient})

    @translated
    def trend(
        self, tenant: str, wanted: MeasurementsWanted, part: str | None, points: int
    ) -> list[TrendSeries]:
        """The values of a patient over time, for each code and unit; nothing is converted.

        Args:
            wanted: with ``patient`` and ``series``.
            part: key of a component's code; None: all parts of the measurements.
            points: the most points of a series. If there are more values, the time is divided into
                this many equal spans, and each that has values gives a point.
        """
        begin: list[Document] = [{"$match": _filter(tenant, wanted)}, {"$unwind": "$parts"}]
        if part is not None:
            begin.append({"$match": {"parts.code": part}})
        group: Document = {
            "_id": {"code": "$parts.code", "unit": "$parts.unit"},
            "count": {"$sum": 1},
            "first": {"$min": "$taken_at"},
            "last": {"$max": "$taken_at"},
        }
        most: list[Document] = [{"$sort": {"count": -1, "_id": 1}}, {"$limit": _SERIES_MAX}]
        found = self._aggregate([*begin, {"$group": group}, *most], wanted)
        return [self._series(begin, one, wanted, points) for one in found]

    def _series(
        self, begin: list[Document], about: Document, wanted: MeasurementsWanted, points: int
    ) -> TrendSeries:
        name = about["_id"]
        one = {"$match": {"parts.code": name.get("code"), "parts.unit": name.get("unit")}}
        first, span = about["first"], about["last"] - about["first"]
        bucketed = about["count"] > points
        # Without buckets, each time is a group; equal times of one series are one point.
        width = span // timedelta(milliseconds=points) + 1 if bucketed else 1
        key = {"$floor": {"$divide": [{"$subtract": ["$taken_at", first]}, width]}}
        group: Document = {
            "_id": key,
            "start": {"$min": "$taken_at"},
            "end": {"$max": "$taken_at"},
            "count": {"$sum": 1},
            "least": {"$min": "$parts.value"},
            "mean": {"$avg": "$parts.value"},
            "greatest": {"$max": "$parts.value"},
        }
        end: list[Document] = [{"$group": group}, {"$sort": {"_id": 1}}, {"$limit": points}]
        found = self._aggregate([*begin, one, *end], wanted)
        return TrendSeries(
            code=name.get("code"),
            unit=str(name.get("unit")),
            count=about["count"],
            bucketed=bucketed,
            points=tuple(
                TrendPoint(p["start"], p["end"], p["count"], p["least"], p["mean"], p["greatest"])
                for p in found
            ),
        )

    def _aggregate(self, stages: list[Document], wanted: MeasurementsWanted) -> Iterator[Any]:
        return self._db.measurements.aggregate(stages, hint=_index(wanted))

    def _has(self, tenant: str, patient: str) -> bool:
        wanted = {"_id": patient, "tenant": tenant, "erasing": {"$exists": False}}
        return self._db.patients.find_one(wanted, {"_id": 1}) is not None


def _filter(tenant: str, wanted: MeasurementsWanted) -> Document:
    made: Document = {"tenant": tenant}
    if wanted.patient is not None:
        made["patient"] = wanted.patient
    if wanted.series is not None:
        made["series"] = wanted.series
    times = {"$gte": wanted.since, "$lt": wanted.until}
    if given := {name: at for name, at in times.items() if at is not None}:
        made["taken_at"] = given
    return made


def _index(wanted: MeasurementsWanted) -> str:
    if wanted.series is not None:
        return "series" if wanted.patient is None else "series_of_patient"
    return "taken" if wanted.patient is None else "of_patient"


def _measurement(document: Document) -> Measurement:
    code = document["code"]
    return Measurement(
        id=document["_id"],
        patient=document["patient"],
        kind=document["kind"],
        system=code["system"],
        code=code["code"],
        display=code["display"],
        parts=tuple(Part(p["code"], p["value"], p["unit"]) for p in document["parts"]),
        taken_at=document["taken_at"],
        note=document["note"],
        created_at=document["created_at"],
        request=document["request"],
    )
