"""Constants of the wire: its version and the sizes at which voxels are split."""

PROTOCOL_VERSION = 3
"""Part of every hello and welcome; a peer of another version is refused with a reason."""

NONCE_BYTES = 32
"""Random bytes that each side contributes to a handshake with a key."""

FAILED_SCANS = "failed_scans"
"""Feature: Fr-HUB tells Fr-PACS which of its scans failed for good (message ``failed``)."""

FEATURES: tuple[str, ...] = (FAILED_SCANS,)
"""Names of what this release understands beyond version 3, sent in hello and welcome. A message or
field that a feature adds is sent only to a peer that lists the feature too."""

FEATURES_MAX = 32
"""Most features that a peer may list."""

REQUEST_MAX = 1000
"""Most reports that one message asks for."""

INLINE_VOXELS_MAX = 64 * 1024
"""Most bytes of voxels inside a scan message; more travel as chunks.

Each claim and completion rewrites a scan's document, so large voxels inside it would be written
three times.
"""

CHUNK_BYTES = 255 * 1024
"""Bytes of voxels in each chunk but the last: one stored document a chunk, below 256 KiB."""
