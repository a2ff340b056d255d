"""Idempotency-Key: a create that is sent again with the same key makes nothing twice.

The id of what is created is derived from the key, so the store's ``_id`` alone sees to it, whatever
process or server the request reaches, and nothing else is stored. The answer to a repetition is the
thing as it is then. Keys do not expire; once the thing is deleted, the key makes it again.

Use, in a route that creates::

    def create(creation: CurrentCreation, body: NewThing, ...) -> Thing:
        thing, is_new = store.add(creation.id, body, creation.fingerprint(body))
        creation.check(thing.request, body)  # another request under this key
        creation.answer(response, is_new=is_new)

Where the store does not keep the id, a request is noted for some days, and one process at a time
carries it out: ``carried_out``. Of commands, which create nothing, the answer is kept, too:
``answered_once``. A request that comes while an equal one is carried out is told to come again
(409), in whatever process; if the process was killed, it is carried out after ``requests.LEASE``.
"""

import contextlib
import hmac
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, Thread
from typing import Annotated, TypeVar

from blake3 import blake3
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from common.errors import StoreError
from common.store.requests import LEASE, Requests
from fr_hub.web.access import CurrentUser
from fr_hub.web.models import Answer
from fr_hub.web.problems import Problem

REPLAYED = "Idempotency-Replayed"
"""Header of an answer to a repetition."""

RETRY_AFTER_S = 1
"""When to ask again for the answer of a request that is being carried out."""

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


async def creation_of(
    request: Request,
    principal: CurrentUser,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[!-~]+$",
            description="Makes the request safe to repeat: a text without spaces, such as a UUID, "
            "that you use for no other request. A repetition with the same key has no "
            "further effect.",
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


@dataclass(slots=True)
class Run:
    """A request that this process carries out, or that has its answer already.

    Args:
        is_repeated: whether it came before.
        answer: that of the request before, as ``end`` got it; None: it has none.
    """

    is_repeated: bool = False
    answer: str | None = None
    _requests: Requests | None = None
    _id: str = ""
    _runner: str = ""

    def note(self, answer: str) -> None:
        """Note what is about to be made, for who repeats the request if this process is killed.

        Raises:
            Problem: 409, another process has taken the request over, because this one stood still
                for longer than ``LEASE``.
        """
        if self._requests and not self._requests.note(self._id, self._runner, answer):
            raise _running()

    def end(self, answer: str) -> None:
        """Keep the answer. If another process has taken the request over, its answer counts."""
        if self._requests:
            self._requests.end(self._id, self._runner, answer)


@contextlib.contextmanager
def carried_out(
    creation: Creation, requests: Requests, body: BaseModel, *, again: bool = False
) -> Iterator[Run]:
    """While this lasts, no other process carries out an equal request. Waits for MongoDB, so it
    must not run in the event loop.

    Args:
        creation: the request; one without a key has no equal ones.
        requests: where it is noted.
        body: of the request.
        again: whether a request that has its answer is carried out again, with it.

    Raises:
        Problem: 422, the key was used for another request; 409, an equal one is being carried out.
    """
    if not creation.has_key:
        yield Run()
        return
    runner = uuid.uuid4().hex
    begun = requests.begin(creation.id, creation.fingerprint(body), runner, again=again)
    before = begun.before
    if before is not None:
        creation.check(before.request, body)
    if not begun.is_mine:
        if before is None or before.is_running or before.answer is None:
            raise _running()
        yield Run(True, before.answer)
        return
    answer = None if before is None else before.answer
    with _prolonged(requests, creation.id, runner):
        try:
            yield Run(before is not None, answer, requests, creation.id, runner)
        except Problem:
            requests.forget(creation.id, runner)  # it has done nothing, and may be sent again
            raise
        except BaseException:
            with contextlib.suppress(StoreError):  # then its lease ends
                requests.give_up(creation.id, runner)
            raise


@contextlib.contextmanager
def _prolonged(requests: Requests, request_id: str, runner: str) -> Iterator[None]:
    ended = Event()

    def prolong() -> None:
        while not ended.wait(LEASE.total_seconds() / 4):
            with contextlib.suppress(StoreError):  # the next one may get through
                if not requests.prolong(request_id, runner):
                    return

    Thread(target=prolong, name="request", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _running() -> Problem:
    return Problem(
        409,
        "request_running",
        "An identical request with this Idempotency-Key is still running. Send it again, "
        "unchanged, after the seconds in Retry-After to get its answer.",
        {"Retry-After": str(RETRY_AFTER_S)},
    )


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
        Problem: 422, the key was used for another request; 409, an equal one is being carried out.
    """
    with carried_out(creation, requests, body) as run:
        if run.answer is not None:
            creation.answer(response, is_new=False)
            return kind.model_validate_json(run.answer)
        found = act()
        run.end(found.model_dump_json())
        return found
