"""Measurements: of one patient each, in the order of their times, and as a trend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.domain.loinc import LOINC
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.measurements import MeasurementsWanted
from tests.common.store.test_patients import erase
from tests.factories import inside
from tests.web_records import measurement, patient, pressure

START = datetime(2026, 1, 1, tzinfo=UTC)
TEMPERATURE = f"{LOINC}|8310-5"


@pytest.fixture
def ada(store: DBManager) -> str:
    return store.patients.add("default", "ada", patient("Ada"))[0].id


def add(store: DBManager, name: str, patient: str, value: float = 36.6, **fields: object) -> None:
    added = store.measurements.add("default", patient, name, measurement(value, **fields))
    assert added is not None


def hours(n: int) -> datetime:
    return START + timedelta(hours=n)


def test_a_measurement_is_its_tenants(store: DBManager, ada: str) -> None:
    assert store.measurements.add("north", ada, "m-1", measurement()) is None
    add(store, "m-1", ada, note="after\nlunch")
    stored = store.measurements.get("default", "m-1")
    assert stored is not None
    assert (stored.patient, stored.parts[0].value, stored.note) == (ada, 36.6, "after\nlunch")
    assert store.measurements.get("north", "m-1") is None
    assert not store.measurements.delete("north", "m-1")
    assert store.measurements.page("north", MeasurementsWanted(), 10) == []
    assert store.measurements.delete("default", "m-1")
    assert not store.measurements.delete("default", "m-1")


def test_an_id_is_used_once(store: DBManager, ada: str) -> None:
    first = store.measurements.add("default", ada, "m-1", measurement(36), "r")
    again = store.measurements.add("default", ada, "m-1", measurement(40), "s")
    assert first is not None
    assert again == (first[0], False)


def test_nothing_is_added_to_a_patient_who_is_erased_meanwhile(
    store: DBManager, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = type(store.connection.measurements).insert_one

    def late(collection: Any, document: dict[str, object]) -> object:
        if collection.name == Collection.MEASUREMENTS:
            erase(store, "default", ada)
        return insert(collection, document)

    monkeypatch.setattr(type(store.connection.measurements), "insert_one", late)
    assert store.measurements.add("default", ada, "m-1", measurement()) is None
    assert inside(store, Collection.MEASUREMENTS).count_documents({}) == 0


def test_pages_follow_each_other_though_times_are_equal(store: DBManager, ada: str) -> None:
    for n in range(7):
        add(store, f"m-{n}", ada, taken_at=hours(n // 3))
    for descending in (False, True):
        seen: list[str] = []
        after = None
        while page := store.measurements.page(
            "default", MeasurementsWanted(ada), 2, after=after, descending=descending
        ):
            seen += [one.id for one in page]
            after = page[-1].taken_at, page[-1].id
        assert seen == sorted((f"m-{n}" for n in range(7)), reverse=descending)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (MeasurementsWanted(), ["m-0", "m-1", "m-2", "p-0"]),
        (MeasurementsWanted("ada"), ["m-0", "m-1", "p-0"]),
        (MeasurementsWanted("nobody"), []),
        (MeasurementsWanted(series=TEMPERATURE), ["m-0", "m-1", "m-2"]),
        (MeasurementsWanted("ada", "kind temperature"), ["m-0", "m-1"]),
        (MeasurementsWanted("ada", f"{LOINC}|8480-6"), ["p-0"]),
        (MeasurementsWanted(since=hours(1)), ["m-1", "m-2", "p-0"]),
        (MeasurementsWanted("ada", since=hours(1), until=hours(3)), ["m-1"]),
    ],
)
def test_lists_are_of_a_patient_a_series_and_a_time(
    store: DBManager, ada: str, wanted: MeasurementsWanted, found: list[str]
) -> None:
    store.patients.add("default", "bea", patient("Bea"))
    for n, who in enumerate((ada, ada, "bea")):
        add(store, f"m-{n}", who, taken_at=hours(n))
    store.measurements.add("default", ada, "p-0", pressure(120, 80, taken_at=hours(3)))
    page = store.measurements.page("default", wanted, 10, descending=False)
    assert [one.id for one in page] == found
    assert store.measurements.count("default", ada) == 3


def test_a_short_trend_has_each_value(store: DBManager, ada: str) -> None:
    for n, value in enumerate((36, 37, 38)):
        add(store, f"m-{n}", ada, value, taken_at=hours(n))
    add(store, "f", ada, 99, unit="[degF]", taken_at=hours(9))
    wanted = MeasurementsWanted(ada, TEMPERATURE)
    celsius, fahrenheit = store.measurements.trend("default", wanted, TEMPERATURE, 10)
    assert (celsius.unit, celsius.count, celsius.bucketed) == ("Cel", 3, False)
    assert [(p.start, p.mean, p.count) for p in celsius.points] == [
        (hours(n), 36.0 + n, 1) for n in range(3)
    ]
    assert (fahrenheit.unit, fahrenheit.points[0].mean) == ("[degF]", 99)


def test_a_long_trend_has_spans_with_least_mean_and_greatest(store: DBManager, ada: str) -> None:
    values = [36 + n % 5 for n in range(60)]
    for n, value in enumerate(values):
        add(store, f"m-{n}", ada, value, taken_at=hours(n))
    wanted = MeasurementsWanted(ada, TEMPERATURE)
    (series,) = store.measurements.trend("default", wanted, TEMPERATURE, 6)
    assert (series.bucketed, series.count, len(series.points)) == (True, 60, 6)
    assert sum(point.count for point in series.points) == 60
    for point in series.points:
        inside_it = values[(point.start - START) // timedelta(hours=1) :][: point.count]
        assert (point.least, point.greatest) == (min(inside_it), max(inside_it))
        assert point.mean == pytest.approx(sum(inside_it) / len(inside_it))
        assert point.end - point.start == timedelta(hours=point.count - 1)


def test_a_trend_of_a_blood_pressure_is_of_all_components_or_one(
    store: DBManager, ada: str
) -> None:
    for n in range(2):
        new = pressure(120 + n, 80 + n, taken_at=hours(n))
        store.measurements.add("default", ada, f"p-{n}", new)
    systolic, diastolic = f"{LOINC}|8480-6", f"{LOINC}|8462-4"
    wanted = MeasurementsWanted(ada, f"{LOINC}|85354-9")
    both = store.measurements.trend("default", wanted, None, 10)
    assert {one.code: [p.mean for p in one.points] for one in both} == {
        systolic: [120, 121],
        diastolic: [80, 81],
    }
    one = store.measurements.trend("default", MeasurementsWanted(ada, systolic), systolic, 10)
    assert [(series.code, series.count) for series in one] == [(systolic, 2)]


def test_a_trend_without_values_is_empty(store: DBManager, ada: str) -> None:
    assert store.measurements.trend("default", MeasurementsWanted(ada, "x|y"), "x|y", 10) == []
