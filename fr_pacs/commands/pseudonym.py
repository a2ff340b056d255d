"""Prints the pseudonym of a patient's identifier: ``fr pseudonym``, ``make pseudonym``.

It is the one under which the Fr-PACS PACS_NAME sends the scans of this patient, so that a patient
of the API can be given it. The identifier is DICOM's PatientID, or a subject's label of BIDS. It
comes from standard input, one on each line, or from a prompt: other users can read a command line,
and the shell keeps it.
"""

import sys
from collections.abc import Iterator

from common.errors import SettingsError
from common.formats.dicom.pseudonyms import pseudonym
from common.runtime.console import unit_console, write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.settings.commands import PseudonymSettings
from common.settings.identity_keys import existing_pseudonym_key
from common.settings.loading import load_settings

_LONGEST = 1024
"""Bytes of a line. PatientID has 64 characters at most (PS3.5 6.2, LO)."""


def main() -> int:
    """Print a pseudonym for each identifier, 16 hexadecimal digits, in their order."""
    settings = load_settings(PseudonymSettings, "fr pseudonym")
    key = existing_pseudonym_key(settings)
    count = 0
    for identifier in _identifiers():
        if identifier:
            write_text(f"{pseudonym(identifier, key)}\n")
            count += 1
    if not count:
        raise SettingsError("there is no identifier on standard input: write one on each line")
    return Exit.OK


def _identifiers() -> Iterator[str]:
    """The identifiers as the reader of DICOM finds them, without padding at the end."""
    lines = sys.stdin.buffer
    is_person = sys.stdin.isatty()
    if is_person:
        unit_console(stderr=True).print("Identifier of the patient (DICOM's PatientID):")
    while line := lines.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise SettingsError(
                f"a line has more than {_LONGEST:,} bytes, too many for an identifier"
            )
        try:
            yield line.decode().rstrip("\r\n").rstrip(" \0")
        except UnicodeDecodeError:
            raise SettingsError("an identifier is not UTF-8 text: convert it first") from None
        if is_person:
            return


if __name__ == "__main__":
    sys.exit(run_unit("fr pseudonym", main))
