"""Tokens as they are stored: of each token and session, only a hash."""

import hashlib
import secrets
from collections.abc import Sequence

from common.domain.types import Document
from common.store.connection import Connection

_TOKEN_BYTES = 32
ID_LENGTH = 16


def hash_token(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A token of 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_id(token: str) -> str:
    """The id of a token: the start of its hash."""
    return hash_token(token)[:ID_LENGTH]


def with_id(token_id: str) -> Document:
    """A filter for the token of an id."""
    return {"_id": {"$gte": token_id, "$lt": token_id + "g"}}


def remove_tokens(connection: Connection, hashes: Sequence[str]) -> int:
    """Remove these tokens, and those that were made by them; returns how many of these."""
    removed = connection.tokens.delete_many({"_id": {"$in": hashes}}).deleted_count
    connection.tokens.delete_many({"parents": {"$in": hashes}})
    return removed
