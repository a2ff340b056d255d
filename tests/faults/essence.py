"""What a report says of its image, in a few words: for comparing it with the truth."""

import json
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from common.domain.finding_kinds import AnyFindings

_TOLD = ("quality", "lesions", "volumes", "crossings", "measures")


def essence(findings: Mapping[str, Any]) -> str:
    """The verdict, the number of lesions, and a digest of the quality, and of the lesions and
    volumes or of an ECG's crossings and measures.

    Args:
        findings: as MongoDB or JSON has them.
    """
    told = {name: findings.get(name) for name in _TOLD}
    digest = blake3(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
    verdict = (findings.get("quality") or {}).get("verdict")
    count = (findings.get("lesions") or {}).get("count")
    return f"{verdict}, {count} lesions, {digest}"


def essence_of(findings: AnyFindings) -> str:
    """The essence of findings that are not stored yet."""
    return essence(json.loads(findings.model_dump_json()))
