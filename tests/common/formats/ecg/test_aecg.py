"""HL7 annotated ECGs: samples in mV, and XML that no ECG is."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats.ecg.aecg import is_aecg, open_aecg
from tests.common.formats.ecg.test_wfdb import samples_of

LEAD = """<component><sequence><code code="MDC_ECG_LEAD_{name}"/><value xsi:type="SLIST_PQ">
<origin value="{origin}" unit="uV"/><scale value="{scale}" unit="uV"/><digits>{digits}</digits>
</value></sequence></component>"""
TIME = """<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">
<head value="{head}"/><increment value="{step}" unit="s"/></value></sequence></component>"""


def lead(name: str, digits: str = "1 2 -3", scale: str = "5", origin: str = "0") -> str:
    return LEAD.format(name=name, digits=digits, scale=scale, origin=origin)


def written(folder: Path, *leads: str, head: str = "20240517123000.000", step: str = "0.002",
            more: str = "", start: str = "") -> Path:  # fmt: skip
    time = TIME.format(head=head, step=step) if step else ""
    path = folder / "x.ecg.xml"
    path.write_text(
        f'<?xml version="1.0"?>{start}<AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><trialSubject><id root="1.2" '
        'extension="P-1"/></trialSubject><component><series><component><sequenceSet>'
        f"{time}{''.join(leads)}</sequenceSet></component></series></component>{more}"
        "</AnnotatedECG>"
    )
    return path


def test_samples_are_in_millivolts(tmp_path: Path) -> None:
    path = written(tmp_path, lead("I"), lead("AVR", origin="100", digits="0\n10 20"))
    assert is_aecg(path.read_bytes()[:1024])
    opened = open_aecg(path)
    recording = opened.recording
    assert (recording.leads, recording.sampling_rate_hz) == (("I", "aVR"), 500)
    assert (recording.patient, recording.zone) == ("P-1", "unknown")
    assert recording.start == datetime.fromisoformat("2024-05-17T12:30:00")
    found = samples_of(opened)
    assert found[:, 0] == pytest.approx([0.005, 0.01, -0.015])
    assert found[:, 1] == pytest.approx([0.1, 0.15, 0.2])


def test_a_start_with_a_zone_is_in_utc(tmp_path: Path) -> None:
    recording = open_aecg(written(tmp_path, lead("I"), head="20240517123000+0200")).recording
    assert (recording.zone, recording.start) == ("utc", datetime(2024, 5, 17, 10, 30, tzinfo=UTC))


def test_the_longest_set_is_read(tmp_path: Path) -> None:
    beat = f"<sequenceSet>{TIME.format(head='', step='0.001')}{lead('II', '1 2')}</sequenceSet>"
    recording = open_aecg(written(tmp_path, lead("I"), more=beat)).recording
    assert (recording.leads, recording.samples, recording.sampling_rate_hz) == (("I",), 3, 500)


@pytest.mark.parametrize(
    ("leads", "step", "reason"),
    [
        ((), "0.002", "without leads"),
        ((lead("I"), lead("II", "1 2")), "0.002", "different numbers of samples"),
        ((lead("I", "1 x"),), "0.002", "are not numbers"),
        ((lead("I", "1 nan"),), "0.002", "are not numbers"),
        ((lead("I", scale="0"),), "0.002", "become millivolts"),
        ((lead("I", scale="much"),), "0.002", "is not a number"),
        ((lead("I"),), "", "how far apart"),
        ((lead("I"),), "0", "how far apart"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused(
    tmp_path: Path, leads: tuple[str, ...], step: str, reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        open_aecg(written(tmp_path, *leads, step=step))


def test_xml_that_is_no_ecg_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, lead("I"))
    whole = path.read_text()
    for text, reason in (
        (whole[:-40], "cut off"),
        ("<AnnotatedECG/>", "not an HL7 annotated ECG"),
        (whole.replace("?>", '?><!DOCTYPE a [<!ENTITY b "c">]>', 1), "declarations of entities"),
    ):
        path.write_text(text)
        with pytest.raises(SourceError, match=reason):
            open_aecg(path)


def test_no_encoding_hides_declarations(tmp_path: Path) -> None:
    whole = written(tmp_path, lead("I")).read_text().removeprefix('<?xml version="1.0"?>')
    recognised = b"AnnotatedECG".decode("utf-16-le")
    text = f'<!DOCTYPE a [<!ENTITY b "c">]><!--{recognised}-->{whole}'
    path = tmp_path / "hidden.ecg.xml"
    path.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))
    assert is_aecg(path.read_bytes()[:1024])
    with pytest.raises(SourceError, match="UTF-16"):
        open_aecg(path)
