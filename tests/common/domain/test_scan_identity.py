"""The id that is derived from an image: the same for the same image, and for no other."""

from typing import Any

import pytest
from hypothesis import given

from common.domain.scan_identity import SCAN_ID_DIGITS, derived_scan_id, rounded
from common.domain.types import Affine, hash_voxels
from tests.strategies import UNIT_AFFINE, affines

IMAGE: dict[str, Any] = {
    "pacs": "pacs-1",
    "patient": None,
    "voxels_hash": hash_voxels(b"voxels"),
    "shape": (2, 3, 1),
    "dtype": "uint8",
    "affine": UNIT_AFFINE,
}
KEY = bytes(32)


def moved(step: float, place: int = 3) -> Affine:
    row = [1.0, 0.0, 0.0, 0.0]
    row[place] += step
    return ((row[0], row[1], row[2], row[3]), *UNIT_AFFINE[1:])


def test_the_id_of_an_image_is_known() -> None:
    # It is in databases: it must never change.
    assert derived_scan_id(KEY, **IMAGE) == "c346b3c1b39a7866b776774a8ed67c69"
    assert len(derived_scan_id(KEY, **IMAGE)) == SCAN_ID_DIGITS


@pytest.mark.parametrize(
    "other",
    [
        {"pacs": "pacs-2"},
        {"patient": ""},
        {"patient": "a"},
        {"voxels_hash": hash_voxels(b"others")},
        {"shape": (3, 2, 1)},
        {"dtype": "int8"},
        {"affine": None},
        {"affine": moved(0.01)},
        {"affine": moved(0.001, place=0)},
    ],
    ids=str,
)
def test_another_image_or_sender_or_patient_has_another_id(other: dict[str, Any]) -> None:
    assert derived_scan_id(KEY, **IMAGE) != derived_scan_id(KEY, **{**IMAGE, **other})


def test_another_key_gives_another_id() -> None:
    assert derived_scan_id(KEY, **IMAGE) != derived_scan_id(b"x" * 32, **IMAGE)


@pytest.mark.parametrize("place", range(4))
def test_rounding_in_an_export_changes_no_id(place: int) -> None:
    noisy = {**IMAGE, "affine": moved(1e-5 if place == 3 else 1e-7, place)}
    assert derived_scan_id(KEY, **IMAGE) == derived_scan_id(KEY, **noisy)


@given(affines())
def test_the_sign_of_a_zero_changes_nothing(affine: Affine) -> None:
    x, y, z = ((0.0 - a, b, c, d) for a, b, c, d in affine)
    same = tuple((-a if a else 0.0, b, c, d) for a, b, c, d in affine)
    assert rounded((x, y, z)) == rounded(same)  # type: ignore[arg-type]
