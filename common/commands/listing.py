"""How commands list items that have an id to copy: for people, and as JSON for programs.

Items are printed as they come, so a list of any length takes the memory of one of them.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from common.domain.types import Document
from common.runtime.console import Console, write_json


def print_items(items: Iterable[tuple[str, Sequence[str]]], console: Console) -> int:
    """Print each item: its id on a separate line, which is never broken, and what there is to
    say about it below; returns their number."""
    count = 0
    for name, about in items:
        count += 1
        console.print_item(name, *about)
    return count


def print_json_array(objects: Iterable[Document]) -> None:
    """Print a JSON array, one object per line."""
    before = "[\n"
    for fields in objects:
        write_json(before + json.dumps(fields))
        before = ",\n"
    write_json("[]\n" if before == "[\n" else "\n]\n")


def time_of(at: datetime | None) -> str:
    """A stored time for people."""
    return "unknown time" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
