"""Checkpoints of the audit trail: what was archived, signed by an administrator. No I/O.

A checkpoint is the last line of an archive. Before the archived entries are removed, it is written
into the trail too, in a new chain: each part is an entry with the event ``checkpoint`` and the
facts, and names in ``heads`` up to ``HEADS_PER_PART`` last entries of archived chains. The last
part also closes the chain. An incomplete checkpoint counts for nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common.domain.audit_chain import Head, heads_in
from common.domain.audit_events import Kind, event
from common.domain.types import Document

HEADS_PER_PART = 1000

_PURPOSE = b"Fr: checkpoint of an audit trail\n"
_COUNTS = ("entries", "chains", "tombstones")
_TEXTS = ("first", "last", "blake3", "public_key", "signature")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an archive contains."""

    entries: int
    chains: int
    tombstones: int
    first: str
    """Time of the earliest entry, ISO 8601 with time zone."""
    last: str
    """Time of the latest entry."""
    blake3: str
    """Of all lines before the checkpoint, with their line ends."""
    heads: tuple[Head, ...]
    """The last entry of each chain, in the order of the archive."""
    public_key: str = ""
    """Ed25519 (RFC 8032), hexadecimal."""
    signature: str = ""

    @property
    def began(self) -> datetime:
        """Time of the earliest entry."""
        return datetime.fromisoformat(self.first)

    @property
    def ended(self) -> datetime:
        """Time of the latest entry."""
        return datetime.fromisoformat(self.last)

    def signed(self, key: Ed25519PrivateKey) -> "Checkpoint":
        """This checkpoint, signed with this key."""
        named = replace(self, public_key=public_hex(key), signature="")
        return replace(named, signature=key.sign(named.content()).hex())

    @property
    def is_signed(self) -> bool:
        """Whether the signature is that of the content by the public key."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
            key.verify(bytes.fromhex(self.signature), self.content())
        except (ValueError, InvalidSignature):
            return False
        return True

    def content(self) -> bytes:
        """What is signed."""
        content = {**self._facts(), "heads": [[head.at, head.hash] for head in self.heads]}
        del content["signature"]
        return _PURPOSE + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*_COUNTS, *_TEXTS)}

    def to_document(self) -> Document:
        """As the last line of an archive has it."""
        heads = [{"at": head.at, "hash": head.hash} for head in self.heads]
        return {**self._facts(), "heads": heads}

    @classmethod
    def from_document(cls, document: Any) -> "Checkpoint":
        """Parse the last line of an archive.

        Raises:
            ValueError: it is not a checkpoint.
        """
        try:
            return cls(heads=tuple(heads_in(document)), **_checked(document))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a checkpoint") from error

    def parts(self) -> Iterator[tuple[Document, tuple[Head, ...]]]:
        """The events of the checkpoint in the trail, each with the heads that its entry names."""
        starts = range(0, len(self.heads), HEADS_PER_PART)
        for number, start in enumerate(starts, 1):
            facts = {**self._facts(), "part": number, "parts": len(starts)}
            yield event(Kind.CHECKPOINT, facts=facts), self.heads[start : start + HEADS_PER_PART]

    @classmethod
    def from_entries(cls, entries: Sequence[Mapping[str, Any]]) -> "Checkpoint | None":
        """The checkpoint that the entries of a chain record; None unless it is there in full and
        its signature is right."""
        found = [
            (one, heads_in(entry))
            for entry in entries
            for one in entry["events"]
            if one.get("kind") == Kind.CHECKPOINT
        ]
        heads = tuple(head for _, part in found for head in part)
        numbers = [(one.get("part"), one.get("parts")) for one, _ in found]
        if not found or numbers != [(n, len(found)) for n in range(1, len(found) + 1)]:
            return None
        try:
            made = cls(heads=heads, **_checked(found[-1][0]))
            made.began, made.ended  # noqa: B018 - raises
        except (KeyError, TypeError, ValueError):
            return None
        return made if made.is_signed and made.chains == len(heads) else None


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public key, as checkpoints name it."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _checked(document: Mapping[str, Any]) -> dict[str, Any]:
    for names, kind in ((_COUNTS, int), (_TEXTS, str)):
        if not all(isinstance(document[name], kind) for name in names):
            raise TypeError("a field of the checkpoint has the wrong type")
    return {name: document[name] for name in (*_COUNTS, *_TEXTS)}
