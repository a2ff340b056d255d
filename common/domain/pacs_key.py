"""The key of a Fr-PACS: what it and Fr-HUB authenticate each other by where they use no TLS.

Fr-HUB holds one secret, and derives from it the key of each Fr-PACS by the name of that. A Fr-PACS
needs only its own key: with it, it can neither pose as another Fr-PACS nor as Fr-HUB to another.
"""

from dataclasses import dataclass, field

from blake3 import blake3

KEY_BYTES = 32

_CONTEXT = "Fr 2026-11 wire 3 keys of the Fr-PACS"


@dataclass(frozen=True, slots=True)
class HubSecret:
    """The secret from which the key of each Fr-PACS is derived."""

    secret: bytes = field(repr=False)

    def key_of(self, pacs: str) -> bytes:
        """The key of the Fr-PACS of this name, ``KEY_BYTES`` bytes.

        It is BLAKE3 of the name, keyed with the secret after BLAKE3's ``derive_key`` has made 32
        bytes of it (BLAKE3 specification, section 2.3).
        """
        master = blake3(self.secret, derive_key_context=_CONTEXT).digest()
        return blake3(pacs.encode(), key=master).digest()


@dataclass(frozen=True, slots=True)
class PacsKey:
    """The key of one Fr-PACS, which is all that this needs."""

    key: bytes = field(repr=False)

    def key_of(self, _pacs: str) -> bytes:
        """The key, whatever name the peer gives: if that is another's, the proofs differ."""
        return self.key


PacsKeys = HubSecret | PacsKey
"""The keys that a unit has: those of all Fr-PACS, or one."""
