"""What a DICOM object is by its SOP class."""

import pytest
from pydicom._uid_dict import UID_dictionary

from common.formats.dicom.sop_classes import kind_of

STORAGE = "1.2.840.10008.5.1.4.1.1."


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        ("88.11", "structured_report"),
        ("88.67", "structured_report"),
        ("88.59", "key_objects"),
        ("11.1", "presentation_state"),
        ("104.1", "encapsulated_document"),
        ("9.1.1", "waveform"),
        ("66", "raw_data"),
        ("66.1", "registration"),
        ("66.4", "segmentation"),
        ("30", "parametric_map"),
        ("481.3", "radiotherapy"),
        ("7", "secondary_capture"),
        ("7.4", "secondary_capture"),
        ("77.1.4", "photograph"),
        ("77.1.5.4", "ophthalmic"),
        ("4.2", "spectroscopy"),
        ("1.1", "x_ray"),
        ("12.1", "x_ray"),
        ("6.1", "ultrasound"),
    ],
)
def test_objects_have_their_kinds(sop_class: str, kind: str) -> None:
    assert kind_of(STORAGE + sop_class, "MR", has_rows=True) == kind


@pytest.mark.parametrize("sop_class", ["2", "2.1", "4", "4.1", "4.4", "128", "130", "20", "13.1.1"])
@pytest.mark.parametrize("has_rows", [True, False])
def test_images_of_volumes_are_scans_even_if_they_lost_their_pixels(
    sop_class: str, has_rows: bool
) -> None:
    assert kind_of(STORAGE + sop_class, "SR", has_rows=has_rows) is None


def test_each_storage_class_of_the_standard_is_known() -> None:
    """Else a report of a new kind would fail as an image."""
    for uid, (name, kind, *_) in UID_dictionary.items():
        if name and uid.startswith(STORAGE) and kind == "SOP Class":
            assert (
                kind_of(uid, "", has_rows=False) != "other_object"
                or "DICOS" in name
                or any(word in name for word in ("Eddy", "Content Assessment", "Annotations"))
            ), name


def test_private_classes_are_images_if_they_have_an_image() -> None:
    assert kind_of("1.3.46.670589.11.0.0.12.2", "MR", has_rows=True) is None
    assert kind_of("1.3.46.670589.11.0.0.12.2", "MR", has_rows=False) == "other_object"
    assert kind_of("1.3.12.2.1107.5.9.1", "MR", has_rows=False) == "raw_data"


def test_the_modality_tells_where_there_is_no_class() -> None:
    assert kind_of("", "SR", has_rows=False) == "structured_report"
    assert kind_of("", "MR", has_rows=False) is None
