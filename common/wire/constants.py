"""Constants of the wire: its version and the sizes at which voxels are cut."""

PROTOCOL_VERSION = 2
"""Spoken in every hello; a peer that speaks another is refused with a reason."""

NONCE_BYTES = 32
"""Of randomness that each side puts into a greeting with a shared secret."""

INLINE_VOXELS_MAX = 64 * 1024
"""Bytes of voxels that travel inside the scan message; more travel as chunks.

A scan's document is rewritten by each claim and completion, so large voxels inside it would be
written three times.
"""

CHUNK_BYTES = 255 * 1024
"""Bytes of voxels in each chunk but the last: one stored document a chunk, below 256 KiB."""
