"""A report as a few lines of plain text."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from common.domain.ecg_findings import EcgFindings
from common.domain.ecg_report_text import about_signal, ecg_lines
from common.domain.finding_kinds import OtherFindings
from common.domain.findings import (
    AnyQuality,
    Findings,
    Lesion,
    Lesions,
    Quality,
    Region,
    RegionCounts,
    RegionLoad,
    Verdict,
    Volumes,
    about_absence,
    about_missed,
)
from common.domain.follow_up_text import follow_up_lines
from common.domain.further_reading import READINGS
from common.domain.input_problems import ORIENTATION_GUESSED
from common.domain.report import BrainReport
from common.domain.text_lines import fixed, in_ml, one_line, place, wrapped
from common.domain.with_t1_text import with_t1_lines

LESIONS_SHOWN = 5

_TITLES = {"brain": "Brain report", "ecg": "ECG report"}
_VERDICTS = {
    Verdict.PASS: "good enough to analyse",
    Verdict.WARN: "analysed, with reservations",
    Verdict.FAIL: "cannot be analysed; no measurements are given",
}
_SIZES = (
    ("below_0_03_ml", "< 0.03 ml"),
    ("from_0_03_to_0_1_ml", "0.03 to 0.1 ml"),
    ("from_0_1_to_1_ml", "0.1 to 1 ml"),
    ("above_1_ml", ">= 1 ml"),
)
_PARTS = (
    ("brain", "brain"),
    ("grey_matter", "grey matter"),
    ("white_matter", "white matter"),
    ("csf", "CSF"),
)


def report_text(report: BrainReport) -> str:
    """The report as plain text: scan, quality, findings, analyzer, limits and notice. Ends with a
    line feed."""
    return "\n".join(_lines(report)) + "\n"


def volumes_text(volumes: Volumes) -> str:
    """The volumes on one line, in ml and in % of the intracranial volume."""
    parts = []
    if volumes.intracranial_ml is not None:
        parts.append(f"intracranial {in_ml(volumes.intracranial_ml)}")
    for part, name in _PARTS:
        ml, percent = getattr(volumes, f"{part}_ml"), getattr(volumes, f"{part}_percent")
        if ml is not None:
            share = f" ({fixed(percent, 1)} %)" if percent is not None else ""
            parts.append(f"{name} {in_ml(ml)}{share}")
    parts.append(f"head {in_ml(volumes.head_ml)}")
    return ", ".join(parts)


def _lines(report: BrainReport) -> Iterator[str]:
    again = f" (revision {report.revision})" if report.revision > 1 else ""
    findings = report.findings
    yield f"{_TITLES.get(findings.kind, 'Report')} of scan {report.scan_id}{again}"
    yield f"Scan:      {_scan(report)}"
    yield from _quality(findings.quality)
    if isinstance(findings, EcgFindings):
        yield from ecg_lines(findings)
    elif isinstance(findings, OtherFindings):
        yield f"Findings:  kind {findings.kind}, only in the JSON ({findings.content_schema})"
    elif findings.lesions is not None:
        yield from _lesions(findings.lesions, findings.quality)
        yield from _withheld(findings)
    if findings.volumes is not None:
        yield f"Volumes:   {volumes_text(findings.volumes)}"
    if isinstance(findings, Findings) and findings.follow_up is not None:
        yield from follow_up_lines(findings.follow_up)
    if isinstance(findings, Findings) and findings.with_t1 is not None:
        yield from with_t1_lines(findings.with_t1)
    yield (
        f"Analyzer:  {one_line(report.analyzer.name)} {one_line(report.analyzer.version)}, "
        f"{report.analysed_at:%Y-%m-%d %H:%M:%S} UTC, in {report.run_time_ms:.0f} ms; "
        f"report {report.report_id}"
    )
    for limitation in findings.limitations:
        yield wrapped("Limits:    ", one_line(limitation))
    reading = READINGS.get(report.analyzer.name)
    if reading is not None:
        yield f'More:      "{reading.heading}" in {reading.document}, which comes with Fr'
    yield report.notice


def _scan(report: BrainReport) -> str:
    what = (report.modality, report.contrast, report.role)
    parts = [report.scan_type, *(one_line(text) for text in what if text is not None)]
    if report.signal is None:
        parts.append("x".join(map(str, report.shape)))
    else:
        parts += about_signal(report.signal, report.shape[0])
    if report.voxel_size_mm is not None:
        sizes = " x ".join(f"{mm:.3g}" for mm in report.voxel_size_mm)
        parts.append(f"voxels {sizes} mm")
    if report.orientation is not None:
        parts.append(_axes(report.orientation, report.findings.quality.flags))
    if report.subject is not None:
        parts.append(f"subject {one_line(report.subject)}")
    if report.session is not None:
        parts.append(f"session {one_line(report.session)}")
    if report.acquired_at is not None:
        zone = "UTC" if report.acquired_zone == "utc" else "(time zone unknown)"
        parts.append(f"acquired {_minute(report.acquired_at)} {zone}")
    return ", ".join(parts)


def _axes(orientation: str, flags: Sequence[str]) -> str:
    """The directions of the axes; both possible ones if the file does not say which is right."""
    if ORIENTATION_GUESSED.isdisjoint(flags):
        return orientation
    mirrored = orientation.translate(str.maketrans("LR", "RL"))
    return f"{orientation} or {mirrored} (a guess: left and right may be swapped)"


def _quality(quality: AnyQuality) -> Iterator[str]:
    verdict = f"{quality.verdict} ({_VERDICTS[quality.verdict]})"
    measured = _measured(quality) if isinstance(quality, Quality) else []
    yield f"Quality:   {', '.join([verdict, *measured])}"
    for reason in quality.reasons:
        yield f"           - {one_line(reason)}"


def _measured(quality: Quality) -> list[str]:
    measured = [
        f"{name} {fixed(percent, 1)} %"
        for name, percent in (("noise", quality.noise_percent), ("bias field", quality.inu_percent))
        if percent is not None
    ]
    if quality.intracranial_plausible is False:
        measured.append("intracranial volume implausible")
    return measured


def _lesions(lesions: Lesions, quality: Quality) -> Iterator[str]:
    if not lesions.count:
        yield f"Lesions:   {one_line(about_absence(lesions, quality))}"
        return
    total = f", {in_ml(lesions.volume_ml)} in total" if lesions.volume_ml is not None else ""
    missed = about_missed(lesions, quality)
    remark = f"; {one_line(missed)}" if missed is not None else ""
    yield f"Lesions:   {lesions.count}{total}{remark}"
    if lesions.by_size is not None:
        sizes = (f"{getattr(lesions.by_size, field)} of {name}" for field, name in _SIZES)
        yield f"           by size: {', '.join(sizes)}"
    if lesions.by_region is not None:
        yield wrapped("           ", f"by region: {', '.join(_regions(lesions.by_region))}")
    for lesion in lesions.largest[:LESIONS_SHOWN]:
        yield f"           {_lesion(lesion)}"
    more = lesions.count - min(LESIONS_SHOWN, len(lesions.largest))
    if lesions.largest and more > 0:
        yield f"           and {more} more"


def _regions(regions: RegionCounts) -> Iterator[str]:
    for region in Region:
        load: RegionLoad = getattr(regions, region)
        total = f" ({in_ml(load.volume_ml)})" if load.count and load.volume_ml is not None else ""
        yield f"{load.count} {_region_name(region)}{total}"


def _region_name(region: Region) -> str:
    return region.replace("_", " ")


def _withheld(findings: Findings) -> Iterator[str]:
    """Why lesions have no region, unless the reasons for the verdict say it."""
    registration = findings.registration
    if not findings.lesions or not findings.lesions.count or registration is None:
        return
    cause = registration.withheld
    if cause is not None and not any(cause in reason for reason in findings.quality.reasons):
        yield wrapped("           ", f"no regions: {one_line(cause)}")


def _lesion(lesion: Lesion) -> str:
    parts = [f"{lesion.voxels} voxels" if lesion.volume_ml is None else in_ml(lesion.volume_ml)]
    if lesion.centroid_mm is not None:
        parts.append(f"at {place(lesion.centroid_mm)} mm")
    else:
        parts.append(
            f"at voxel {', '.join(f'{fixed(index, 1)}' for index in lesion.centroid_voxel)}"
        )
    if lesion.region is not None:
        parts.append(_region_name(lesion.region))
    if lesion.mni_mm is not None:
        parts.append(f"MNI {' '.join(map(fixed, lesion.mni_mm))}")
    if lesion.slice_number is not None:
        parts.append(f"slice {lesion.slice_number}")
    if lesion.extent_mm is not None:
        parts.append(f"{' x '.join(map(fixed, lesion.extent_mm))} mm")
    if lesion.intensity_ratio is not None:
        parts.append(f"{fixed(lesion.intensity_ratio, 2)} x white matter")
    if lesion.confidence is not None:
        parts.append(f"confidence {fixed(lesion.confidence, 2)}")
    return f"#{lesion.id}: {', '.join(parts)}"


def _minute(at: datetime) -> str:
    """Such as 2026-01-31 09:30. ``strftime`` does not pad the year."""
    return at.replace(tzinfo=None).isoformat(" ", "minutes")
