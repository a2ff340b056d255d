"""Pictures are as radiologists look at them, whatever the scan's own axes; and small."""

import io
import math
from typing import Any

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.domain.findings import (
    MISSED_ON_T1,
    Findings,
    Lesion,
    Lesions,
    Quality,
    Verdict,
    Volumes,
)
from common.domain.report import PICTURE_BYTES_MAX, BrainReport
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from fr_brain.analyzers.base import Overlay
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.analyzers.running import analyse_scan
from fr_brain.pictures.canvas import BRAIN, CUT, LESION
from fr_brain.pictures.picture import draw_picture
from tests.factories import LONG_AGO, make_report
from tests.fr_brain.pictures.marks import marked

Array = npt.NDArray[Any]
EYE = np.eye(4)


def scan_of(array: Array, affine: Array | None = EYE, scan_type: str = "volume") -> BrainScan:
    voxels = array.tobytes(order="F")
    rows = None if affine is None else tuple(tuple(map(float, row)) for row in affine[:3])
    return BrainScan(
        scan_id="a-name-of-its-own",
        pacs="pacs-1",
        subject="pseudonym",
        scan_type=scan_type,
        acquired_at=utc_now(),
        shape=array.shape,
        dtype=array.dtype.name,  # type: ignore[arg-type]
        voxels_bytes=len(voxels),
        voxels_hash=hash_voxels(voxels),
        affine=rows,  # type: ignore[arg-type]
    )


def report_of(scan: BrainScan, *centroids: tuple[float, ...], voxels: int = 27) -> BrainReport:
    """A report with lesions at these voxel indices."""
    listed = tuple(
        Lesion(voxels=voxels, volume_ml=0.027, centroid_voxel=at, centroid_mm=None)
        for at in centroids
    )
    found = Lesions(count=len(listed), voxels=27, volume_ml=0.027, largest=listed)
    findings = Findings(quality=Quality(verdict=Verdict.PASS), lesions=found)
    return make_report(scan, findings=findings, analysed_at=LONG_AGO)


def pixels(png: bytes) -> Array:
    """RGB of a PNG that is small and carries no text beside its pixels."""
    assert len(png) <= PICTURE_BYTES_MAX
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert not image.info.keys() - {"transparency", "dpi"}
        return np.asarray(image.convert("RGB"))


def where(picture: Array, colour: tuple[int, int, int]) -> list[tuple[float, float]]:
    """Centres (x, y) of the pieces of a colour, from left to right; text is smaller."""
    labels = cc3d.connected_components(marked(picture, colour), connectivity=8)
    pieces = [np.nonzero(labels == n) for n in range(1, int(labels.max()) + 1)]
    boxes = [(x.min(), x.max(), y.min(), y.max()) for y, x in pieces]
    # Closed outlines are as wide as high; the strokes of a number are a few pixels.
    large = [b for b in boxes if b[1] - b[0] >= 10 and b[3] - b[2] >= 10]
    return sorted(((x0 + x1) / 2, (y0 + y1) / 2) for x0, x1, y0, y1 in large)


def box_with_lesion(shape: tuple[int, int, int], at: tuple[int, int, int]) -> tuple[Array, Array]:
    """A grey box and the labels of a lesion of 7 voxels' edge in it."""
    voxels = np.full(shape, 100, np.int16)
    voxels[:, :, : shape[2] // 2] = 140
    labels = np.zeros(shape, np.int32)
    labels[tuple(slice(n - 3, n + 4) for n in at)] = 1
    voxels[labels == 1] = 200
    return voxels, labels


@pytest.mark.parametrize("axis_codes", ["LPS", "ASR", "IRP", "SLA", "PIL", "RAI"])
def test_a_scan_looks_the_same_whatever_the_order_of_its_axes(axis_codes: str) -> None:
    voxels, labels = box_with_lesion((60, 70, 50), (40, 20, 35))
    voxels = voxels + np.random.default_rng(1).integers(0, 40, voxels.shape, np.int16)
    affine = np.diag([2.0, 1.5, 3.0, 1.0])
    scan = scan_of(voxels, affine)
    expected = draw_picture(report_of(scan, (40, 20, 35)), scan, voxels, Overlay(labels))
    turn = nib.orientations.ornt_transform(  # type: ignore[no-untyped-call]
        nib.io_orientation(affine),  # type: ignore[no-untyped-call]
        nib.orientations.axcodes2ornt(axis_codes),  # type: ignore[no-untyped-call]
    )

    def turned(array: Array) -> Array:
        out: Array = nib.orientations.apply_orientation(array, turn)  # type: ignore[no-untyped-call]
        return np.ascontiguousarray(out)

    back = nib.orientations.inv_ornt_aff(turn, voxels.shape)  # type: ignore[no-untyped-call]
    other = scan_of(turned(voxels), affine @ back)
    assert other.orientation == axis_codes
    at = tuple(float(n) for n in (np.linalg.inv(back) @ (40, 20, 35, 1))[:3])
    report = report_of(other, at)
    # The same report: its id and date are drawn, not the scan's shape.
    picture = draw_picture(report, other, turned(voxels), Overlay(turned(labels)))
    assert picture == expected


def test_a_lesion_is_outlined_on_each_slice_through_it_and_enlarged() -> None:
    voxels, labels = box_with_lesion((100, 120, 110), (80, 100, 90))
    scan = scan_of(voxels)
    brain = np.zeros(voxels.shape, bool)
    brain[20:90, 20:110, 20:100] = True
    picture = pixels(
        draw_picture(report_of(scan, (80, 100, 90)), scan, voxels, Overlay(labels, brain))
    )
    assert len(where(picture, LESION)) == 4  # three planes and the enlargement
    assert len(where(picture, BRAIN)) == 3
    axial = where(picture, LESION)[0]
    assert axial[0] < 12 + 360 * 100 / 120 / 2  # right of the person: left half of the panel


def test_without_outlines_lesions_are_circled() -> None:
    voxels, _ = box_with_lesion((100, 120, 110), (80, 100, 90))
    scan = scan_of(voxels)
    picture = pixels(draw_picture(report_of(scan, (80, 100, 90)), scan, voxels))
    assert len(where(picture, LESION)) == 4


def test_a_millimetre_is_as_long_along_each_axis() -> None:
    thick = np.full((64, 64, 16), 100, np.int16)
    thick[20:40, 20:40, 5:10] = 200  # a cube of 20 mm
    labels = (thick == 200).astype(np.int32)
    scan = scan_of(thick, np.diag([1.0, 1.0, 4.0, 1.0]))
    report = report_of(scan, (29.5, 29.5, 7.0), voxels=2000)
    picture = pixels(draw_picture(report, scan, thick, Overlay(labels)))
    pieces = cc3d.statistics(cc3d.connected_components(marked(picture, LESION), connectivity=8))[
        "bounding_boxes"
    ][1:]
    sides = [(box[0].stop - box[0].start, box[1].stop - box[1].start) for box in pieces]
    large = [side for side in sides if min(side) > 20]
    assert len(large) == 4
    assert all(abs(height - width) <= 2 for height, width in large)


def test_the_same_input_gives_the_same_bytes_and_changes_nothing() -> None:
    voxels, labels = box_with_lesion((40, 40, 40), (20, 20, 20))
    scan, copies = scan_of(voxels), (voxels.copy(), labels.copy())
    report = report_of(scan, (20, 20, 20))
    one, other = (draw_picture(report, scan, voxels, Overlay(labels)) for _ in range(2))
    assert one == other
    assert np.array_equal(voxels, copies[0])
    assert np.array_equal(labels, copies[1])


@pytest.mark.parametrize("shape", [(256, 256, 256), (300, 512, 40)])
def test_pure_noise_is_small_enough_too(shape: tuple[int, int, int]) -> None:
    voxels = np.random.default_rng(2).integers(0, 4000, shape, np.int16)
    scan = scan_of(voxels)
    lesions = [(20.0 * n, 20.0 * n, 2.0 * n) for n in range(1, 15)]
    picture = pixels(draw_picture(report_of(scan, *lesions), scan, voxels))
    assert picture.shape[1] > 600


FLAT = [(1, 1, 1), (1, 1, 300), (200, 1, 1), (128, 128, 1), (1, 90, 90), (2, 3, 4), (9, 9, 4000)]


@pytest.mark.parametrize("shape", FLAT, ids=str)
@pytest.mark.parametrize("affine", [None, EYE, np.diag([0.1, 5.0, 1.0, 1.0])], ids=["no", "1", "2"])
def test_any_shape_is_drawn(shape: tuple[int, int, int], affine: Array | None) -> None:
    voxels = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    scan = scan_of(voxels, affine)
    at = tuple((n - 1) / 2 for n in shape)
    pixels(draw_picture(report_of(scan, at), scan, voxels))
    labels = np.zeros(shape, np.int32)
    labels[tuple(n // 2 for n in shape)] = 1
    pixels(draw_picture(report_of(scan, at), scan, voxels, Overlay(labels, labels > 0)))


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("shape", [(20, 20, 20), (10, 10)])
def test_an_empty_image_is_drawn(value: float, shape: tuple[int, ...]) -> None:
    voxels = np.full(shape, value, np.float64)
    scan = scan_of(voxels)
    pixels(draw_picture(report_of(scan), scan, voxels))
    quality = Quality(verdict=Verdict.FAIL, reasons=("It is empty. " * 40, "It is still empty."))
    failed = make_report(scan, findings=Findings(quality=quality, lesions=None))
    voxels.flat[3] = 1.0
    pixels(draw_picture(failed, scan, voxels))


def test_the_cells_of_a_grid_are_squares_and_lesions_are_framed() -> None:
    voxels = np.zeros((10, 10), np.uint8)
    voxels[2, 7] = 9
    voxels[8, 1] = 200
    scan = scan_of(voxels, None, "grid")
    analysis = analyse_scan(GridAnalyzer(), scan, voxels, with_overlay=True)
    assert analysis.overlay is not None
    report = make_report(scan, findings=analysis.findings)
    picture = pixels(draw_picture(report, scan, voxels, analysis.overlay()))
    left, right = where(picture, LESION)
    assert left == pytest.approx((12 + 1.5 * 42, 42 + 8.5 * 42), abs=2)
    assert right == pytest.approx((12 + 7.5 * 42, 42 + 2.5 * 42), abs=2)


def test_a_long_grid_fits() -> None:
    voxels = np.zeros((3, 5000), np.uint8)
    voxels[1, 2500] = 1
    scan = scan_of(voxels, None, "grid")
    analysis = analyse_scan(GridAnalyzer(), scan, voxels, with_overlay=True)
    assert analysis.overlay is not None
    report = make_report(scan, findings=analysis.findings)
    picture = pixels(draw_picture(report, scan, voxels, analysis.overlay()))
    assert picture.shape[1] < 1000


FOOT = 4 * 18 + 12  # legend, note, date and notice
HEADER = 12 + 3 * 18


def colours_in_legend(picture: Array, foot_px: int = FOOT) -> set[tuple[int, int, int]]:
    foot = picture[-foot_px:]
    return {
        colour
        for colour in (LESION, BRAIN, CUT)
        if np.all(foot == colour, axis=2).sum() == 2 * 16  # a sample of 16 x 2 pixels
    }


def test_the_legend_has_the_colours_that_are_drawn() -> None:
    voxels, labels = box_with_lesion((60, 70, 50), (40, 20, 35))
    scan = scan_of(voxels)
    sick, well = report_of(scan, (40, 20, 35)), report_of(scan)
    brain = voxels > 0

    def legend(report: BrainReport, overlay: Overlay | None) -> set[tuple[int, int, int]]:
        picture = pixels(draw_picture(report, scan, voxels, overlay))
        return colours_in_legend(picture, FOOT if overlay is None else FOOT - 18)

    assert legend(sick, Overlay(labels, brain)) == {LESION, BRAIN, CUT}
    assert legend(well, Overlay(labels * 0, brain)) == {BRAIN, CUT}
    assert legend(well, Overlay(labels * 0, brain & False)) == {CUT}
    assert legend(sick, None) == {LESION, CUT}


def test_the_legend_of_a_grid_has_lesions_if_there_are_any() -> None:
    voxels = np.zeros((64, 64), np.uint8)
    scan = scan_of(voxels, None, "grid")
    none = pixels(draw_picture(report_of(scan), scan, voxels, Overlay(voxels)))
    assert colours_in_legend(none) == set()
    voxels[30, 20] = 1
    one = pixels(draw_picture(report_of(scan, (30, 20)), scan, voxels, Overlay(voxels)))
    assert colours_in_legend(one) == {LESION}
    assert len(one) == len(none) + 18  # beside the cells, not over them


def test_the_date_is_that_of_the_analysis_and_nothing_tells_of_the_person() -> None:
    voxels, _ = box_with_lesion((60, 70, 50), (40, 20, 35))
    scan = scan_of(voxels)
    report = report_of(scan, (40, 20, 35))
    drawn = pixels(draw_picture(report, scan, voxels))

    def again(**changed: Any) -> Array:
        return pixels(draw_picture(report.model_copy(update=changed), scan, voxels))

    later = again(analysed_at=utc_now())
    assert np.array_equal(later[:-FOOT], drawn[:-FOOT])
    assert not np.array_equal(later[-FOOT:], drawn[-FOOT:])
    named = {"subject": "A person", "study": "A study", "session": "later", "acquired_at": None}
    assert np.array_equal(again(**named), drawn)


def test_the_volumes_are_above_the_slices() -> None:
    voxels, _ = box_with_lesion((60, 70, 50), (40, 20, 35))
    scan = scan_of(voxels)

    def head(intracranial_ml: float | None) -> Array:
        volumes = None
        if intracranial_ml is not None:
            volumes = Volumes(head_ml=2000, brain_ml=1200, intracranial_ml=intracranial_ml)
        none = Lesions(count=0, voxels=0, volume_ml=0)
        quality = Quality(verdict=Verdict.WARN, reasons=("It is noisy. " * 40,))
        findings = Findings(quality=quality, lesions=none, volumes=volumes)
        report = make_report(scan, findings=findings)
        return pixels(draw_picture(report, scan, voxels))[:HEADER]

    one, other = head(1500), head(1600)
    assert np.array_equal(one[:48], other[:48])
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, head(None))
    assert (one[:, -12:] == one[0, 0]).all()  # nothing is cut off at the edge


def test_the_headline_does_not_call_absent_what_a_t1_does_not_show() -> None:
    voxels, _ = box_with_lesion((60, 70, 50), (40, 20, 35))
    scan = scan_of(voxels)

    def headline(flags: tuple[str, ...], missed: str | None) -> bytes:
        quality = Quality(verdict=Verdict.WARN, reasons=("It is a T1.",), flags=flags)
        none = Lesions(count=0, voxels=0, volume_ml=0, missed=missed)
        report = make_report(scan, findings=Findings(quality=quality, lesions=none))
        return pixels(draw_picture(report, scan, voxels))[:40].tobytes()

    said = headline(("t1",), MISSED_ON_T1)
    assert said == headline(("t1",), None)  # as reports were before there was a field
    assert said != headline((), None)


def test_the_headline_says_that_lesions_are_missed_beside_those_that_were_found() -> None:
    voxels, _ = box_with_lesion((60, 70, 50), (40, 20, 35))
    scan = scan_of(voxels)

    def headline(missed: str | None, *flags: str) -> Array:
        one = Lesion(voxels=27, volume_ml=0.866, centroid_voxel=(40, 20, 35), centroid_mm=None)
        found = Lesions(count=1, voxels=27, volume_ml=0.866, missed=missed, largest=(one,))
        quality = Quality(verdict=Verdict.WARN, reasons=("It is a T1.",), flags=flags)
        report = make_report(scan, findings=Findings(quality=quality, lesions=found))
        return pixels(draw_picture(report, scan, voxels))[:30]

    said = headline(MISSED_ON_T1)
    assert not np.array_equal(said, headline(None))
    assert np.array_equal(said, headline(None, "t1"))
    assert (said[:, -12:] == said[0, 0]).all()  # it fits
