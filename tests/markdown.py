"""Documents of which a part is generated: it stands between two comments."""


def between(document: str, name: str, text: str) -> str:
    """The document with ``text`` between ``<!-- name -->`` and ``<!-- end of name -->``.

    Raises:
        ValueError: it has no such place.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no place for {name}")
    return f"{before}{begin}{text}{end}{after}"


def part(document: str, name: str) -> str:
    """What stands there now."""
    rest = document.partition(f"<!-- {name} -->\n")[2]
    return rest.partition(f"<!-- end of {name} -->\n")[0]
