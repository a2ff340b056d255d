"""Where images came from, and what became of files, for the people whose files they are."""

from dataclasses import dataclass

from common.domain.file_outcomes import FileOutcome
from common.domain.report_index import about_file, label_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image came from, for its people. It never leaves this process."""

    file: str
    """The path of the file, of a series that of its first one, relative to ``folder``; printable
    and not cut."""
    volume: str = ""
    """Which of the volumes in it, such as ``volume 2``; empty if there is one."""
    folder: str = ""
    """The absolute path of SOURCE, or of its folder if it is a file."""
    files: int = 1
    """How many files hold the image: of a series, one for each slice."""

    @property
    def label(self) -> str:
        """Names the image to people at this Fr-PACS."""
        return label_of(about_file(self.file, self.volume, self.folder))


@dataclass(frozen=True, slots=True)
class Account:
    """What became of files, or what is known before they are sent."""

    outcome: FileOutcome
    reason: str
    """Why, for the people of this Fr-PACS; empty where the outcome says it all."""
    origins: tuple[Origin, ...]
    """The image, if there is one; then the files of which it is made, unless it is sent."""
    scan_id: str = ""
    """Of the scan; empty if there is none, or none yet."""


def account_of_copy(origin: Origin, first: Origin, scan_id: str = "") -> Account:
    """The account of a volume whose image is that of another one, which is sent."""
    return Account(FileOutcome.COPY, f"the same image as {first.label}", (origin,), scan_id)
