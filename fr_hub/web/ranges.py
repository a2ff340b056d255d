"""Range requests (RFC 9110, section 14): one range of bytes."""

import re

from starlette.requests import Request

from fr_hub.web.problems import Problem

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def range_of(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The range that is asked for, from the first byte to before the last; None: everything, also
    for several ranges, or if what the client has is of another ETag.

    Args:
        request: the request.
        size: bytes of the content.
        etag: of the content.

    Raises:
        Problem: 416, no byte is in this range.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or found.group(0) == "bytes=-":
        return None
    if request.headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None  # not valid, so it is ignored
    if start >= end:
        raise Problem(
            416,
            "range_not_satisfiable",
            "The file has no byte in this range; see Content-Range for its size.",
            {"Content-Range": f"bytes */{size}"},
        )
    return start, end
