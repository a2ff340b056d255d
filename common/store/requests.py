"""Answers to commands that came with an Idempotency-Key, so that a repetition gets the same answer
and changes nothing again.

.. code-block:: text

    _id         of the request: from its user, path and key
    request     fingerprint of its body
    answer      JSON; missing while it is carried out, and where its process was killed
    expires_at  until when it is kept
"""

from dataclasses import dataclass
from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from common.domain.types import Document, utc_now
from common.store.connection import Connection
from common.store.error_mapping import translated

KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """A request that came before.

    Args:
        request: fingerprint of its body.
        answer: JSON; None: it has none, as far as anybody knows.
    """

    request: str
    answer: str | None


class Requests:
    """Begins requests, and keeps their answers."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def begin(self, request_id: str, request: str) -> KnownRequest | None:
        """Note a request, durably; the one that came before under this id, None: there was none.
        Deletes those that have expired."""
        now = utc_now()
        self._db.requests.delete_many({"expires_at": {"$lte": now}})
        new: Document = {"_id": request_id, "request": request, "expires_at": now + KEPT}
        try:
            self._db.requests.insert_one(new)
        except DuplicateKeyError:
            found = self._db.requests.find_one({"_id": request_id})
            if found is None:  # it has expired at this moment
                return None
            answer = found.get("answer")
            known = str(found.get("request", ""))
            return KnownRequest(known, answer if isinstance(answer, str) else None)
        return None

    @translated
    def end(self, request_id: str, answer: str) -> None:
        """Keep the answer to a request."""
        self._db.requests.update_one({"_id": request_id}, {"$set": {"answer": answer}})

    @translated
    def forget(self, request_id: str) -> None:
        """Forget a request that was refused."""
        self._db.requests.delete_one({"_id": request_id})
