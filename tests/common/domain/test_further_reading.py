"""What reports refer to exists, for the analyzers that come with Fr."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from common.domain.further_reading import READINGS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", READINGS)
def test_the_document_has_the_part(name: str) -> None:
    reading = READINGS[name]
    text = (ROOT / reading.document).read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert [line[3:].replace("`", "") for line in headings].count(reading.heading) == 1


def test_the_analyzers_are_built_in() -> None:
    built_in = {
        one.name
        for one in entry_points(group="fr_brain.analyzers")
        if one.value.startswith("fr_brain.")
    }
    assert READINGS.keys() <= built_in
