"""Idempotency-Key: a create that is sent again with the same key makes nothing twice.

The id of what is created is derived from the key, so the store's ``_id`` alone sees to it, whatever
process or server the request reaches, and nothing else is stored. The answer to a repetition is the
thing as it is then. Keys do not expire; once the thing is deleted, the key makes it again.

Use, in a route that creates::

    def create(creation: CurrentCreation, body: NewThing, ...) -> Thing:
        thing, is_new = store.add(creation.id, body, creation.fingerprint(body))
        creation.check(thing.request, body)  # another request under this key
        creation.answer(response, is_new=is_new)
"""

import hmac
import uuid
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from fr_hub.web.access import CurrentUser
from fr_hub.web.problems import Problem

REPLAYED = "Idempotency-Replayed"
"""Header of an answer to a repetition."""

_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Creation:
    """A request to create something.

    Args:
        id: of the thing to create, 32 hexadecimal digits.
    """

    id: str

    def fingerprint(self, body: BaseModel) -> str:
        """What is stored of the request, 64 hexadecimal digits, to recognise it by."""
        text = body.model_dump_json(exclude_unset=True).encode()
        return blake3(self.id.encode() + b"\0" + text).hexdigest()

    def check(self, stored: str, body: BaseModel) -> None:
        """Refuse another request under a key that was used.

        Args:
            stored: fingerprint of the request that created the thing of this id.

        Raises:
            Problem: 422, the requests differ.
        """
        if not hmac.compare_digest(stored, self.fingerprint(body)):
            raise Problem(
                422,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request; take a new key for each one.",
            )

    @staticmethod
    def answer(response: Response, *, is_new: bool) -> None:
        """Mark the answer to a repetition."""
        if not is_new:
            response.headers[REPLAYED] = "true"


def creation_of(
    request: Request,
    principal: CurrentUser,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[!-~]+$",
            description="Any text without spaces, new for each creation, such as a UUID. Sent "
            "again with it, a request creates nothing twice.",
        ),
    ] = None,
) -> Creation:
    """The creation that a request asks for. Keys of different users and paths are different."""
    if idempotency_key is None:
        return Creation(uuid.uuid4().hex)
    scope = (principal.tenant, principal.user, request.method, request.url.path, idempotency_key)
    return Creation(blake3("\0".join(scope).encode()).hexdigest()[:_ID_DIGITS])


CurrentCreation = Annotated[Creation, Depends(creation_of)]
"""The type of the parameter of a route that creates something."""
