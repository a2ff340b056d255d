"""Requests that came with an Idempotency-Key: which one of equal ones is carried out, and its
answer, so that a repetition gets the same answer and changes nothing again.

.. code-block:: text

    _id         of the request: from its user, path and key
    request     fingerprint of its body
    runner      who carries it out
    until       until when the runner alone may; it is prolonged while it is carried out, so that
                another one can go on soon after the runner was killed
    answer      JSON, or what its route needs to repeat it; missing before its end
    repeated    whether it came before its runner took it
    expires_at  until when it is kept
"""

from dataclasses import dataclass
from datetime import timedelta

from common.domain.types import Document, utc_now
from common.store.conditional_write import set_if
from common.store.connection import Connection
from common.store.error_mapping import translated

KEPT = timedelta(days=7)

LEASE = timedelta(seconds=10)
"""How long a request stays with a runner that does not prolong it."""

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """A request under an id, before somebody asked to begin it.

    Args:
        request: fingerprint of its body.
        answer: None: it has none, as far as anybody knows.
        is_running: whether another runner carries it out at the moment.
    """

    request: str
    answer: str | None = None
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """The result of ``Requests.begin``.

    Args:
        is_mine: whether the caller must carry out the request.
        before: the earlier request with the same id; None: there was none.
    """

    is_mine: bool
    before: KnownRequest | None = None


class Requests:
    """Gives each request to one runner, and keeps the answers."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def begin(self, request_id: str, request: str, runner: str, *, again: bool = False) -> Begun:
        """Take a request, durably: nobody else gets it until it ends, is given up, or ``LEASE`` has
        passed without ``prolong``. Deletes the requests that have expired.

        Args:
            request_id: of the request.
            request: fingerprint of its body; one with another body under the id is not taken.
            runner: who wants to carry it out, a new name each time.
            again: whether it is to be carried out again if it has an answer.
        """
        self._db.requests.delete_many({"expires_at": {"$lte": utc_now()}})
        is_new = {"$eq": [{"$type": "$request"}, "missing"]}
        is_free: list[Document] = [
            {"$eq": ["$request", {"$literal": request}]},
            {"$lte": ["$until", "$$NOW"]},  # also where it is missing
        ]
        if not again:
            is_free.append({"$eq": [{"$type": "$answer"}, "missing"]})
        takes = {"$or": [is_new, {"$and": is_free}]}
        taken = {
            "request": {"$literal": request},
            "runner": {"$literal": runner},
            "until": _UNTIL,
            "expires_at": {"$add": ["$$NOW", int(KEPT.total_seconds() * 1000)]},
            "repeated": {"$not": [is_new]},
        }
        for _ in range(_ATTEMPTS):
            found = set_if(self._db.requests, request_id, takes, taken)
            if found is None:
                continue
            known = _request(found)
            if found.get("runner") != runner:
                running = again or known.answer is None
                return Begun(False, KnownRequest(known.request, known.answer, running))
            return Begun(True, known if found["repeated"] else None)
        return Begun(False, KnownRequest(request, is_running=True))

    @translated
    def prolong(self, request_id: str, runner: str) -> bool:
        """Keep a request for another ``LEASE``; False if it is another one's by now."""
        this = {"_id": request_id, "runner": runner, "until": {"$exists": True}}
        return self._db.requests.update_one(this, [{"$set": {"until": _UNTIL}}]).matched_count == 1

    @translated
    def note(self, request_id: str, runner: str, answer: str) -> bool:
        """Note what a request is about to make, for who has to repeat it after a kill; False if it
        is another one's by now."""
        this = {"_id": request_id, "runner": runner}
        return self._db.requests.update_one(this, {"$set": {"answer": answer}}).matched_count == 1

    @translated
    def end(self, request_id: str, runner: str, answer: str) -> bool:
        """Keep the answer to a request; False if it is another one's by now."""
        ended: Document = {"$set": {"answer": answer}, "$unset": {"until": "", "runner": ""}}
        found = self._db.requests.update_one({"_id": request_id, "runner": runner}, ended)
        return found.matched_count == 1

    @translated
    def give_up(self, request_id: str, runner: str) -> None:
        """Let another one carry a request out, as nobody knows how far it came."""
        this = {"_id": request_id, "runner": runner}
        self._db.requests.update_one(this, {"$unset": {"until": "", "runner": ""}})

    @translated
    def forget(self, request_id: str, runner: str) -> None:
        """Forget a request that was refused, and has changed nothing."""
        self._db.requests.delete_one({"_id": request_id, "runner": runner})


_UNTIL = {"$add": ["$$NOW", int(LEASE.total_seconds() * 1000)]}


def _request(stored: Document) -> KnownRequest:
    answer = stored.get("answer")
    return KnownRequest(
        str(stored.get("request", "")),
        answer if isinstance(answer, str) else None,
    )
