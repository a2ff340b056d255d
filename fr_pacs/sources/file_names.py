"""Names of files for logs and terminals."""

import os


def printable(text: str) -> str:
    """Escape what is not printable, or not Unicode, in a name."""
    text = os.fsencode(text).decode(errors="backslashreplace")
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
