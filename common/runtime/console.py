"""The one console for people. Nothing else of the product prints to a terminal.

Every string that it prints, in a table or alone, is escaped and never read as markup, so that data
from elsewhere cannot act on the terminal. Styles are arguments of the program's own.
"""

import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import rich.console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from common.domain.foreign_text import SENTENCE, escape
from common.runtime.output import LINE_BYTES, QueuedStream

__all__ = [
    "Console",
    "Table",
    "colored_line",
    "unit_console",
    "write_csv",
    "write_json",
    "write_text",
]

_INDENT = 4
_COLOR = re.compile(r"(\x1b\[[0-9;]{0,32}m)")

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_IN_CELL = re.compile(rf";(?=[{re.escape(''.join(_FORMULA))}])")
"""Where a formula begins if a table is read with semicolons between cells."""


class Console(rich.console.Console):
    """A console on which strings are data: escaped, and never markup, emoji codes or links."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Make the text of a string; rich calls this for each string that it prints."""
        return Text(
            escape(text, SENTENCE),
            style=options.get("style") or "",
            justify=options.get("justify"),
            overflow=options.get("overflow"),
        )

    def print_item(self, name: str, *about: str) -> None:
        """Print an item of a list: its name on a line, which is never broken, so that it can be
        copied, and what there is to say about it below."""
        self.print(name, style="bold", soft_wrap=True)
        for line in about:
            self.print(Padding(line, (0, 0, 0, _INDENT)))


def unit_console(*, stderr: bool = False) -> Console:
    """The console of a unit: what it prints is queued behind the log, and never blocks the unit."""
    stream = sys.stderr if stderr else sys.stdout
    if stream is not (sys.__stderr__ if stderr else sys.__stdout__):
        return Console(stderr=stderr)  # a test has replaced it
    return Console(file=QueuedStream(stream))  # type: ignore[arg-type]


def colored_line(line: str, longest: int = LINE_BYTES) -> Text:
    """A line of another process: its colors stay, everything else is escaped."""
    pieces = _COLOR.split(line[:longest])
    safe = "".join(
        piece if n % 2 else escape(piece, longest) for n, piece in enumerate(pieces) if piece
    )
    return Text.from_ansi(safe)


def write_json(text: str) -> None:
    """Write a command's result for programs: JSON, which escapes its strings itself."""
    sys.stdout.write(text)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a command's result for spreadsheets: CSV, one line each, in which text is escaped.

    Args:
        columns: their names.
        rows: what each row has in these columns, and perhaps in others, which are left out.
    """
    table = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    # A spreadsheet would take it for a formula.
    formula = value.startswith(_FORMULA)
    return escape(_IN_CELL.sub("; ", f"'{value}" if formula else value), SENTENCE)


def write_text(text: str) -> None:
    """Write lines of plain text, escaped."""
    for line in text.splitlines():
        sys.stdout.write(escape(line, LINE_BYTES) + "\n")
