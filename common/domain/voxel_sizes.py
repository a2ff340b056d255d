"""The sizes at which voxels are split, on the wire and in the store."""

INLINE_VOXELS_MAX = 64 * 1024
"""Most bytes of voxels inside a scan message or a scan's document; more travel, and are stored, as
chunks.

Each claim and completion rewrites a scan's document, so large voxels inside it would be written
three times.
"""

CHUNK_BYTES = 255 * 1024
"""Bytes of voxels in each chunk but the last: one stored document a chunk, below 256 KiB."""
