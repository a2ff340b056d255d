"""The lines that a person reads first."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from common.domain.findings import (
    Findings,
    HeadRegistration,
    Lesion,
    Lesions,
    Quality,
    Region,
    RegionCounts,
    Verdict,
    Volumes,
)
from common.domain.report import NOTICE, AnalyzerId, BrainReport
from common.domain.report_text import LESIONS_SHOWN, report_text
from tests.factories import make_report, make_scan
from tests.strategies import NOON, a_report, reports

PASS = Quality(verdict=Verdict.PASS)


def lesion(ml: float, **fields: Any) -> Lesion:
    known: dict[str, Any] = {
        "voxels": 9,
        "volume_ml": ml,
        "centroid_voxel": (1, 2, 3),
        "centroid_mm": (-12.4, 34, -5.2),
    }
    return Lesion(**{**known, **fields})


def found(*lesions: Lesion, **fields: Any) -> BrainReport:
    total = sum(one.volume_ml or 0 for one in lesions)
    summary = Lesions(count=len(lesions), voxels=9, volume_ml=total, largest=lesions)
    quality = Quality(verdict=Verdict.PASS)
    return a_report(findings=Findings(quality=quality, lesions=summary, **fields))


@given(reports)
def test_any_report_has_its_lines_and_ends_with_the_notice(report: BrainReport) -> None:
    text = report_text(report)
    assert text.endswith(NOTICE + "\n")
    assert f"scan {report.scan_id}" in text.splitlines()[0]
    assert f"Quality:   {report.findings.quality.verdict} (" in text
    assert report.report_id in text
    assert text.isprintable() or all(c.isprintable() for c in text.replace("\n", ""))


def test_lesions_are_listed_with_size_position_and_number() -> None:
    text = report_text(found(lesion(1.5, confidence=0.9, extent_mm=(10, 12, 14)), lesion(0.02)))
    assert "Lesions:   2, 1.52 ml in total" in text
    assert "by size: 1 of < 0.03 ml, 0 of 0.03 to 0.1 ml, 0 of 0.1 to 1 ml, 1 of >= 1 ml" in text
    assert "#1: 1.50 ml, at L 12, A 34, I 5 mm, 10 x 12 x 14 mm, confidence 0.90" in text
    assert "#2: 0.0200 ml" in text
    assert "more" not in text


def test_lesions_have_their_regions_and_places() -> None:
    places = {"region": Region.DEEP_WHITE_MATTER, "mni_mm": (-24, -26, 30), "slice_number": 45}
    lesions = Lesions(
        count=1,
        voxels=9,
        volume_ml=1.5,
        by_region=RegionCounts.of([(Region.DEEP_WHITE_MATTER, 1.5)]),
        largest=(lesion(1.5, **places),),
    )
    text = report_text(a_report(findings=Findings(quality=PASS, lesions=lesions)))
    assert (
        "           by region: 0 periventricular, 0 juxtacortical, 0 infratentorial, 1 deep white "
        "matter\n           (1.50 ml)\n" in text
    )
    assert "I 5 mm, deep white matter, MNI -24 -26 30, slice 45" in text
    assert "no regions" not in text


def test_regions_that_are_withheld_have_their_reason() -> None:
    registration = HeadRegistration(template="MNI152", withheld="The head\nlies upside down.")
    lesions = Lesions(count=1, voxels=9, volume_ml=1.5, largest=(lesion(1.5),))
    findings = Findings(quality=PASS, lesions=lesions, registration=registration)
    text = report_text(a_report(findings=findings))
    assert "           no regions: The head lies upside down.\n" in text
    assert "by region" not in text


def test_a_reason_for_the_verdict_is_not_repeated_for_the_regions() -> None:
    registration = HeadRegistration(template="MNI152", withheld="The head lies upside down.")
    quality = Quality(verdict=Verdict.WARN, reasons=("The head lies upside down. So doubt it.",))
    lesions = Lesions(count=1, voxels=9, volume_ml=1.5, largest=(lesion(1.5),))
    findings = Findings(quality=quality, lesions=lesions, registration=registration)
    text = report_text(a_report(findings=findings))
    assert text.count("upside down") == 1
    assert "no regions" not in text


def test_of_many_lesions_the_largest_are_listed_and_the_others_counted() -> None:
    text = report_text(found(*[lesion(0.5)] * 8))
    assert f"#{LESIONS_SHOWN}:" in text
    assert f"#{LESIONS_SHOWN + 1}:" not in text
    assert "and 3 more" in text


def test_a_report_without_lesions_says_so() -> None:
    assert "Lesions:   none found" in report_text(make_report(make_scan()[0]))


def test_a_t1_without_lesions_says_that_most_would_be_missed() -> None:
    quality = Quality(verdict=Verdict.WARN, reasons=("It is a T1.",), flags=("t1",))
    none = Lesions(count=0, voxels=0, volume_ml=0)
    text = report_text(a_report(findings=Findings(quality=quality, lesions=none)))
    assert "Lesions:   none seen; most lesions would be missed on T1\n" in text


def test_what_an_image_cannot_show_is_not_reported_as_absent() -> None:
    quality = Quality(verdict=Verdict.PASS)
    none = Lesions(count=0, voxels=0, volume_ml=0, missed="those of the neck are not looked for")
    text = report_text(a_report(findings=Findings(quality=quality, lesions=none)))
    assert "Lesions:   none seen; those of the neck are not looked for\n" in text
    some = Lesions(count=1, voxels=4, volume_ml=0.5, missed="those of the neck are not looked for")
    text = report_text(a_report(findings=Findings(quality=quality, lesions=some)))
    assert "Lesions:   1, 0.500 ml in total; those of the neck are not looked for\n" in text


def test_a_failed_image_has_its_reasons_and_no_measures() -> None:
    quality = Quality(verdict=Verdict.FAIL, reasons=("It is empty.", "It is\n2-D\x07."))
    text = report_text(a_report(findings=Findings(quality=quality, lesions=None)))
    assert "fail (cannot be analysed; no measurements are given)" in text
    assert "- It is empty.\n" in text
    assert "- It is 2-D .\n" in text
    assert "Lesions" not in text
    assert "Volumes" not in text


def test_volumes_have_their_share_of_the_intracranial_volume() -> None:
    volumes = Volumes(head_ml=4000, brain_ml=1200, intracranial_ml=1500, csf_ml=300)
    text = report_text(found(volumes=volumes))
    assert (
        "Volumes:   intracranial 1500 ml, brain 1200 ml (80.0 %), CSF 300 ml (20.0 %), head 4000 ml"
        in text
    )


def test_a_later_revision_is_named() -> None:
    scan = make_scan(subject="pseudonym-7")[0]
    text = report_text(make_report(scan, revision=3, subject=scan.subject))
    assert "(revision 3)" in text.splitlines()[0]
    assert "subject pseudonym-7" in text


@pytest.mark.parametrize(
    ("ml", "words"),
    [
        (0.0, "0.000 ml"),
        (0.0104, "0.0104 ml"),
        (0.5, "0.500 ml"),
        (12.34, "12.3 ml"),
        (1e7, "10000000 ml"),
    ],
)
def test_millilitres_have_three_digits(ml: float, words: str) -> None:
    assert f"1, {words} in total" in report_text(found(lesion(ml)))


def test_the_line_of_the_scan_has_what_is_known_of_it() -> None:
    text = report_text(
        a_report(
            modality="MR",
            contrast="t1",
            session="ses-01",
            acquired_at=NOON,
            acquired_zone="unknown",
        )
    )
    assert "Scan:      volume, MR, t1, 4x5x6, voxels 1 x 1 x 1 mm, RAS, session ses-01, " in text
    assert "acquired 2024-05-17 12:00 (time zone unknown)\n" in text
    assert "acquired 2024-05-17 12:00 UTC\n" in report_text(a_report(acquired_at=NOON))
    first = datetime(1, 1, 1, tzinfo=UTC)  # as some devices write it
    assert "acquired 0001-01-01 00:00 UTC\n" in report_text(a_report(acquired_at=first))
    assert "acquired" not in report_text(a_report())


def test_both_possible_orientations_are_named_if_the_file_does_not_say() -> None:
    quality = Quality(verdict=Verdict.WARN, flags=("geometry_unknown",), reasons=("It is not.",))
    none = Lesions(count=0, voxels=0, volume_ml=0)
    text = report_text(a_report(findings=Findings(quality=quality, lesions=none)))
    assert "RAS or LAS (a guess: left and right may be swapped)" in text


def test_a_report_names_where_the_other_limits_are() -> None:
    limits = ("Only for adults.",)
    for name, more in (
        ("volume", '"How well volume reads" in fr_brain/analyzers/README.md, which comes with Fr'),
        ("ecg", '"How well ecg reads" in fr_brain/analyzers/ecg/METHOD.md, which comes with Fr'),
        ("of-a-plug-in", None),
    ):
        report = found(limitations=limits).model_copy(
            update={"analyzer": AnalyzerId(name=name, version="1")}
        )
        *_, before, last, notice = report_text(report).splitlines()
        assert notice == NOTICE
        assert [before, last][more is None] == "Limits:    Only for adults."
        assert (last == f"More:      {more}") == (more is not None)
