"""HL7 annotated ECGs (aECG, HL7 V3 ECG R1, ANSI 2004): XML with the samples as lists of digits."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.dicom.date_time import parse_datetime
from common.formats.ecg.leads import lead_names, millivolts
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import LEADS_MAX, Opened, Recording, Samples

XML_BYTES_MAX = 512 << 20
_V3 = "{urn:hl7-org:v3}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0}
_LEAD = re.compile(r"^MDC_ECG_(?:LEAD_)?")
_DECLARATION = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def is_aecg(head: bytes) -> bool:
    """Whether a file begins as an aECG does."""
    return b"AnnotatedECG" in head


def open_aecg(path: EcgPath) -> Opened:
    """Open an aECG. Of several sets of sequences the longest is read: the others are averages of
    its beats.

    Raises:
        SourceError: it is none, or contradicts itself.
    """
    root = _parsed(path)
    sets = [(one, list(_sequences(one))) for one in root.iter(f"{_V3}sequenceSet")]
    sets = [(one, leads) for one, leads in sets if leads]
    if not sets:
        raise SourceError("an ECG without leads: export it again")
    parent, chosen = max(sets, key=lambda one: len(one[1][0][1]))
    if len(chosen) > LEADS_MAX:
        raise SourceError(f"{len(chosen)} leads; Fr reads up to {LEADS_MAX}: export fewer")
    if len({len(values) for _, values in chosen}) > 1:
        raise SourceError("its leads have different numbers of samples: export it again")
    at, is_zoned = _start(parent, root)
    recording = Recording(
        leads=lead_names([_LEAD.sub("", name) for name, _ in chosen]),
        samples=len(chosen[0][1]),
        sampling_rate_hz=_rate(parent),
        start=at,
        zone="utc" if is_zoned else "unknown",
        patient=_patient(root),
    )

    def read(samples: Samples) -> None:
        for number, (_, values) in enumerate(chosen):
            samples[:, number] = values

    return Opened(recording, read)


def _parsed(path: EcgPath) -> ET.Element:
    with path.open("rb") as file:
        data = file.read(XML_BYTES_MAX + 1)
    if len(data) > XML_BYTES_MAX:
        raise SourceError("more text than Fr accepts: convert it to DICOM or EDF")
    if b"\0" in data:  # UTF-16 would hide declarations
        raise SourceError("XML in UTF-16: export it in UTF-8")
    if _DECLARATION.search(data):
        raise SourceError("XML with declarations of entities, which no ECG needs: export it again")
    try:
        root = ET.fromstring(data)  # noqa: S314 - without entities, in the reader process
    except ET.ParseError:
        raise SourceError("not valid XML, or cut off: export it again") from None
    if root.tag != f"{_V3}AnnotatedECG":
        raise SourceError("not an HL7 annotated ECG: send one, or convert it to DICOM or EDF")
    return root


def _sequences(parent: ET.Element) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The leads of a set of sequences, in mV."""
    for sequence in parent.iter(f"{_V3}sequence"):
        code, value = sequence.find(f"{_V3}code"), sequence.find(f"{_V3}value")
        if code is None or value is None or not value.get(_TYPE, "").endswith("SLIST_PQ"):
            continue
        scale, unit = _quantity(value, "scale")
        volts = millivolts(unit)
        if volts is None or not scale > 0:
            raise SourceError(
                "a lead does not say how its samples become millivolts: export it again"
            )
        origin, origin_unit = _quantity(value, "origin")
        offset = origin * (millivolts(origin_unit) or volts)
        digits = (value.findtext(f"{_V3}digits") or "").split()
        try:
            numbers = np.array(digits, dtype=np.float64)
        except ValueError:
            raise SourceError("the digits of a lead are not numbers: export it again") from None
        if not np.isfinite(numbers).all():
            raise SourceError("the digits of a lead are not numbers: export it again")
        yield code.get("code", ""), numbers * (scale * volts) + offset


def _rate(parent: ET.Element) -> float:
    for value in parent.iter(f"{_V3}value"):
        if value.get(_TYPE, "").endswith(("GLIST_TS", "GLIST_PQ")):
            step, unit = _quantity(value, "increment")
            if step > 0 and unit in _SECONDS:
                return float(f"{1 / (step * _SECONDS[unit]):.9g}")
    raise SourceError("it does not say how far apart its samples are: export it again")


def _quantity(value: ET.Element, name: str) -> tuple[float, str]:
    found = value.find(f"{_V3}{name}")
    if found is None:
        return 0.0, ""
    try:
        number = float(found.get("value", ""))
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise SourceError(f"the {name} of a lead is not a number: export it again")
    return number, found.get("unit", "")


def _start(parent: ET.Element, root: ET.Element) -> tuple[datetime | None, bool]:
    """When the samples begin, and whether its zone is known."""
    heads = (one.get("value", "") for one in parent.iter(f"{_V3}head"))
    lows = (one.get("value", "") for one in root.iter(f"{_V3}low"))
    for text in (*heads, *lows):
        if len(text) >= len("202405171230") and (at := parse_datetime(text, "")):
            is_zoned = "+" in text or "-" in text
            return (at if is_zoned else at.replace(tzinfo=None)), is_zoned
    return None, False


def _patient(root: ET.Element) -> str:
    """The identifier of the person."""
    for subject in root.iter(f"{_V3}trialSubject"):
        identifier = subject.find(f"{_V3}id")
        if identifier is not None:
            return (identifier.get("extension") or identifier.get("root") or "").strip()
    return ""
