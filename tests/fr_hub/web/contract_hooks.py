"""What schemathesis must know of the API, imported by its process: see ``schemathesis.toml``."""

from typing import Any

import schemathesis

from fr_hub.web.routes.uploads import PIECE_TYPE


@schemathesis.serializer(PIECE_TYPE)
def as_bytes(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """The body of a piece of an upload."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
