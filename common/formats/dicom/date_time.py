"""DICOM dates and times (PS3.5 section 6.2: DA, TM, DT) as UTC."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def acquisition_time(values: Mapping[str, Any]) -> datetime | None:
    """When an image was acquired, UTC, to the millisecond; None if the header does not say.

    The first that is present and valid of AcquisitionDateTime, then AcquisitionDate, SeriesDate
    and ContentDate with their times (PS3.3 C.7.6.1, C.7.3.1). A time without an offset from UTC,
    in itself or in TimezoneOffsetFromUTC (PS3.3 C.12.1), is taken as UTC: see ``is_zone_known``.

    Args:
        values: the header's values by keyword.
    """
    return next((at for _, at in _times(values)), None)


def is_zone_known(values: Mapping[str, Any]) -> bool:
    """Whether the offset of ``acquisition_time`` from UTC is known. Without, it is local time."""
    offset = bool(str(values.get("TimezoneOffsetFromUTC") or "").strip())
    return next((offset or "+" in text or "-" in text for text, _ in _times(values)), False)


def _times(values: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """The valid times, each with its text, the best one first."""
    texts = [str(values.get("AcquisitionDateTime") or "")]
    for name in ("Acquisition", "Series", "Content"):
        date, time = values.get(f"{name}Date"), values.get(f"{name}Time")
        texts.append(f"{date}{time}" if date and time else "")
    offset = str(values.get("TimezoneOffsetFromUTC") or "")
    for text in texts:
        if text and (at := parse_datetime(text, offset)):
            yield text, at


def parse_datetime(text: str, offset: str) -> datetime | None:
    """A DT value, ``YYYYMMDDHHMMSS.FFFFFF&ZZXX``, as UTC; None if it is not valid.

    Args:
        text: the value, at least to the minute.
        offset: the offset from UTC, ``&ZZXX``, that applies if the value has none; may be empty.
    """
    text = text.strip()
    for sign in "+-":
        local, found, zone = text.partition(sign)
        if found:
            text, offset = local, sign + zone
    digits, _, fraction = text.partition(".")
    try:
        at = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        if zone := offset.strip().lstrip("+-"):
            ahead = timedelta(hours=int(zone[:2]), minutes=int(zone[2:4] or 0))
            at = at + ahead if offset.strip().startswith("-") else at - ahead
        # BSON keeps milliseconds: a finer time would come back changed.
        return at.replace(microsecond=int(fraction[:3].ljust(3, "0")) * 1000 if fraction else 0)
    except (ValueError, OverflowError):
        return None
