"""Idempotency-Key: a create that is sent again with the same key makes nothing twice.

The id of what is created is derived from the key, so the store's ``_id`` alone sees to it, whatever
process or server the request reaches, and nothing else is stored. The answer to a repetition is the
thing as it is then. Keys do not expire; once the thing is deleted, the key makes it again.

Use, in a route that creates::

    def create(creation: CurrentCreation, body: NewThing, ...) -> Thing:
        thing, is_new = store.add(creation.id, body, creation.fingerprint(body))
        creation.check(thing.request, body)  # another request under this key
        creation.answer(response, is_new=is_new)

Of commands, which create nothing, the answer is stored for some days: ``answered_once``.
"""

import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from blake3 import blake3
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from common.store.requests import KnownRequest, Requests
from fr_hub.web.access import CurrentUser
from fr_hub.web.models import Answer
from fr_hub.web.problems import Problem

REPLAYED = "Idempotency-Replayed"
"""Header of an answer to a repetition."""

_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Creation:
    """A request to create something.

    Args:
        id: of the thing to create, 32 hexadecimal digits.
        has_key: whether the request came with a key, so that it may be a repetition.
    """

    id: str
    has_key: bool = False

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
                "This Idempotency-Key was used for a different request; use a new key for each "
                "request.",
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
    return Creation(blake3("\0".join(scope).encode()).hexdigest()[:_ID_DIGITS], has_key=True)


CurrentCreation = Annotated[Creation, Depends(creation_of)]
"""The type of the parameter of a route that creates something."""


_Given = TypeVar("_Given", bound=Answer)


def begun(creation: Creation, requests: Requests, body: BaseModel) -> KnownRequest | None:
    """Note a request whose id the store does not keep itself; the one that came before under its
    key, None: there was none, or it has no key.

    Raises:
        Problem: 422, the key was used for another request.
    """
    if not creation.has_key:
        return None
    known = requests.begin(creation.id, creation.fingerprint(body))
    if known is not None:
        creation.check(known.request, body)
    return known


def answered_once(
    creation: Creation,
    requests: Requests,
    response: Response,
    body: BaseModel,
    kind: type[_Given],
    act: Callable[[], _Given],
) -> _Given:
    """What a command answers; of one that is repeated with its key, the answer that it had.

    Where there is none, because its process was killed, the command is carried out again: it must
    be repeatable. Without a key, it is carried out in any case.

    Args:
        kind: the type of the answer.
        act: carries the command out.

    Raises:
        Problem: 422, the key was used for another request.
    """
    known = begun(creation, requests, body)
    if known is not None and known.answer is not None:
        creation.answer(response, is_new=False)
        return kind.model_validate_json(known.answer)
    try:
        found = act()
    except Problem:
        requests.forget(creation.id)  # it has done nothing, and may be sent again
        raise
    if creation.has_key:
        requests.end(creation.id, found.model_dump_json())
    return found
