"""``make readers``: compares Fr's readers with dcm2niix and nibabel, and prints a table
and how fast both read a folder.

Exit code 1 if the other reader is better with an input for which ``REASONS`` has no reason.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from common.runtime.console import Console, Table
from tests.readers.inputs import Input, generated, of_nibabel, of_pydicom
from tests.readers.readers import read_with_dcm2niix, read_with_fr, read_with_nibabel
from tests.readers.reasons import judged, reason_for
from tests.readers.throughput import measure, write_folder
from tests.readers.verdicts import Row, Verdict, judge


def compare(one: Input) -> Row:
    """Read one input with both readers."""
    ours, told = read_with_fr(one.path)
    theirs = (read_with_dcm2niix if one.dicom else read_with_nibabel)(one.path)
    verdict = judged(one.name, judge(ours, theirs, one.truth))
    return Row(one.name, len(ours), len(theirs), verdict, "; ".join(told))


def table(rows: list[Row]) -> Table:
    """One line for each input."""
    made = Table(title="Readers", title_justify="left")
    for heading in ("input", "ours", "theirs", "verdict", "reason, or what Fr says"):
        made.add_column(heading)
    for row in rows:
        why = reason_for(row) if row.verdict is Verdict.THEIRS else row.said
        made.add_row(row.name, str(row.ours), str(row.theirs), row.verdict.value, why or row.said)
    return made


def run(folder: Path) -> Iterator[Row]:
    """Compare all inputs; generated ones are written below ``folder``."""
    for one in chain(generated(folder), of_pydicom(), of_nibabel(folder / "nibabel")):
        yield compare(one)


def main() -> int:
    """Print the table and the counts.

    Returns:
        The exit code.
    """
    console = Console(width=160)
    with TemporaryDirectory() as folder:
        rows = list(run(Path(folder)))
    console.print(table(rows))
    counts = Counter(row.verdict for row in rows)
    console.print(", ".join(f"{verdict.value}: {counts[verdict]}" for verdict in Verdict))
    with TemporaryDirectory() as folder:
        console.print(f"speed: {measure(Path(folder), write_folder(Path(folder)))}")
    unexplained = [row for row in rows if row.verdict is Verdict.THEIRS and not reason_for(row)]
    for row in unexplained:
        console.print(f"without a reason: {row.name}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
