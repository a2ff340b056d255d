"""The tables of tags are those of the standard, and have all that is asked for by keyword."""

from collections.abc import Mapping

import pytest
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from common.formats.dicom.attributes import TAGS
from common.formats.dicom.header_tags import HEADER_TAGS, LAYOUT, PIXEL_TAGS
from common.formats.dicom.slices import VOLUME_TAGS
from common.formats.dicom.traits import SETTINGS


@pytest.mark.parametrize("table", [HEADER_TAGS, LAYOUT, PIXEL_TAGS])
def test_tags_are_those_of_the_standard(table: Mapping[int, str]) -> None:
    assert {tag: keyword_for_tag(tag) for tag in table} == dict(table)


def test_what_groups_slices_is_read() -> None:
    wanted = {word for word in (*TAGS, *VOLUME_TAGS, *SETTINGS) if tag_for_keyword(word)}
    assert wanted - set(HEADER_TAGS.values()) <= {"DiffusionBValue"}
