"""Constants of the wire: its version and the sizes at which voxels are split."""

from common.domain.voxel_sizes import CHUNK_BYTES as CHUNK_BYTES
from common.domain.voxel_sizes import INLINE_VOXELS_MAX as INLINE_VOXELS_MAX

PROTOCOL_VERSION = 3
"""Part of every hello and welcome; a peer of another version is refused with a reason."""

NONCE_BYTES = 32
"""Random bytes that each side contributes to a handshake with a key."""

FAILED_SCANS = "failed_scans"
"""Feature: Fr-HUB tells Fr-PACS which of its scans failed for good (message ``failed``)."""

LABEL_MAPS = "label_maps"
"""Feature: the label maps of a report come before it (message ``labels``). A Fr-PACS that does not
want them does not list it."""

FEATURES: tuple[str, ...] = (FAILED_SCANS, LABEL_MAPS)
"""Names of what this release understands beyond version 3, sent in hello and welcome. A message or
field that a feature adds is sent only to a peer that lists the feature too."""

FEATURES_MAX = 32
"""Most features that a peer may list."""

REQUEST_MAX = 1000
"""Most reports that one message asks for."""
