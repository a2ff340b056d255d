"""What a DICOM file says besides voxels and geometry: known terms, and no text of anybody's."""

from typing import Any

import pytest

from common.formats.dicom.attributes import Attributes, attributes_of
from common.formats.dicom.headers import read_slices
from tests.common.formats.dicom.dicom_files import Write


def test_a_file_has_its_study_and_its_terms(write: Write) -> None:
    path = write(
        1,
        StudyInstanceUID="1.2.3",
        AcquisitionContrast="FLUID_ATTENUATED",
        BodyPartExamined="BRAIN",
        AcquisitionDateTime="20240229121314+0200",
    )
    assert read_slices(path, "", force=False).attributes == Attributes(
        "1.2.3", "MR", "flair", "BRAIN", is_zone_known=True
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"Modality": "Doe^Jane", "BodyPartExamined": "Jane Doe", "AcquisitionContrast": "Jane"},
        {"Modality": "", "BodyPartExamined": None, "AcquisitionContrast": "UNKNOWN"},
    ],
)
def test_what_is_no_known_term_stays_out(values: dict[str, Any]) -> None:
    assert attributes_of(values) == Attributes()


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ({"AcquisitionDateTime": "20240229121314+0200"}, True),
        ({"AcquisitionDateTime": "20240229121314-0500"}, True),
        ({"AcquisitionDateTime": "20240229121314", "TimezoneOffsetFromUTC": "+0000"}, True),
        ({"AcquisitionDateTime": "20240229121314"}, False),
        ({"AcquisitionDateTime": "no+time", "SeriesDate": "20240229", "SeriesTime": "1213"}, False),
        ({"TimezoneOffsetFromUTC": "+0100"}, False),
    ],
)
def test_the_zone_is_known_if_the_file_gives_it(values: dict[str, str], known: bool) -> None:
    assert attributes_of(values).is_zone_known is known
