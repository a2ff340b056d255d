"""Text from elsewhere, made safe to show: a peer's names, values of files, stored causes.

Whatever quotes such text bounds it here, and whatever shows text (the log, the console, a command)
escapes it here. Both may happen to the same text: escaping is idempotent.
"""

SHORT = 64
"""Characters of a quoted value: as many as the longest valid identifier has."""

PATH = 255
"""Characters of a quoted file name or path, which only its own Fr-PACS shows."""

SENTENCE = 1000
"""Characters of a whole sentence, such as the reason of a refusal."""

_CUT = "…"


def escape(text: str, longest: int = SENTENCE) -> str:
    """Escape what a terminal, a log reader or an editor could act on, and cut the rest.

    Python's ``str.isprintable`` decides: control characters (C0, C1, ESC), line and paragraph
    separators, bidirectional and other format controls, lone surrogates and unassigned characters
    become escapes such as ``\\x1b`` and ``\\u202e``.

    Args:
        text: any string.
        longest: the most characters of the result.
    """
    if len(text) <= longest and text.isprintable():
        return text
    pieces: list[str] = []
    length = 0
    # One character of the input gives one or more of the result, so no more need to be read.
    for char in text[: longest + 1]:
        piece = char if char.isprintable() else _escaped(char)
        length += len(piece)
        pieces.append(piece)
        if length > longest:
            break
    else:
        return "".join(pieces)
    while pieces and length > longest - len(_CUT):
        length -= len(pieces.pop())
    return "".join(pieces) + _CUT


def quote(value: object, longest: int = SHORT) -> str:
    """A foreign value in quotes, escaped and cut."""
    return f"'{escape(str(value), longest)}'"


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        # How Python holds a byte of a file name that is not UTF-8.
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
