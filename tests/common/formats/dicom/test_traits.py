"""What tells slices apart: equal for equal headers, and nothing of a patient in it."""

from pydicom.dataset import Dataset

from common.formats.dicom.slices import VOLUME_TAGS
from common.formats.dicom.traits import claims, dimension_pointers, owner, protocol, volume_keys


def key(tag: str, **values: object) -> str:
    return volume_keys(values)[VOLUME_TAGS.index(tag)]


def test_noise_in_a_time_makes_no_difference() -> None:
    assert key("EchoTime", EchoTime="30.0001") == key("EchoTime", EchoTime="30") == "30"
    assert key("EchoTime", EchoTime="30.1") != "30"
    assert key("InversionTime") == ""


def test_settings_of_the_scanner_tell_contrasts_apart() -> None:
    plain = key("ContrastSettings", FlipAngle="8")
    assert plain == key("ContrastSettings", FlipAngle="8")
    assert plain != key("ContrastSettings", FlipAngle="8", ContrastBolusAgent="gadolinium")


def test_dimensions_that_are_places_tell_no_volumes_apart() -> None:
    place, time = Dataset(), Dataset()
    place.DimensionIndexPointer, time.DimensionIndexPointer = 0x00209057, 0x00209128
    values = {"DimensionIndexValues": [7, 2], "DimensionIndexSequence": [place, time]}
    values["DimensionIndexPointers"] = dimension_pointers(values)
    assert key("DimensionIndexValues1", **values) == ""
    assert key("DimensionIndexValues2", **values) == "2"


def test_an_owner_is_a_digest_of_patient_study_and_place() -> None:
    one = {"PatientID": "7", "PatientName": "Doe^John^^", "StudyInstanceUID": "1.2"}
    assert owner(one) == owner({**one, "PatientName": "DOE^John"})
    for change in ({"PatientID": "8"}, {"PatientName": "Roe"}, {"FrameOfReferenceUID": "1"}):
        assert owner(one) != owner({**one, **change})
    assert "doe" not in owner(one).lower()
    assert protocol({"SeriesNumber": "5"}) != protocol({"SeriesNumber": "6"})


def test_what_a_header_claims_of_its_volume_is_read() -> None:
    said = claims({"ImagesInAcquisition": "12", "SpacingBetweenSlices": "-3", "GeLocations": 0})
    assert (said.images, said.slices, said.spacing, said.thickness) == (12, None, 3.0, None)


def test_scaled_and_stored_values_differ_in_contrast() -> None:
    rescaled = volume_keys({"RescaleSlope": "1"})
    assert rescaled == volume_keys({"RescaleSlope": "3", "RescaleIntercept": "5"})
    table = volume_keys({"ModalityLUTSequence": ["table"]})
    measured = volume_keys({"PhilipsScaleSlope": 2.0, "RescaleSlope": "3"})
    assert len({rescaled, table, measured, volume_keys({})}) == 4
