"""Where the limits of the built-in analyzers are described in full: a report has only those that
apply to its scan."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """A part of a document that comes with Fr."""

    document: str
    """Path of a Markdown file, relative to the folder of the packages."""
    heading: str
    """Of the part, without markup."""


READINGS = {
    "volume": Reading("fr_brain/analyzers/README.md", "How well volume reads"),
    "ecg": Reading("fr_brain/analyzers/ecg/METHOD.md", "How well ecg reads"),
}
"""By the analyzer's name."""
