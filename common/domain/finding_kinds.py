"""The findings of all kinds of scans, told apart by their ``kind``.

``'brain'`` and ``'ecg'`` have models here. A plug-in may bring another kind, whose content
only it knows: every unit stores, sends and shows it all the same.
"""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, JsonValue, Tag, WithJsonSchema

from common.domain.always_valid import AlwaysValid
from common.domain.ecg_findings import EcgFindings
from common.domain.findings import AnyQuality, Findings
from common.domain.types import WHOLE_BELOW, Count, Name, Text, Value

OWN_KINDS = ("brain", "ecg")
"""The kinds that have a model here. Findings without a kind, as earlier releases wrote them, are
of a brain."""


def _check_kind(kind: str) -> str:
    if kind in OWN_KINDS:
        raise ValueError(f"the findings of kind {kind!r} have a model of their own")
    return kind


_DEPTH_MAX = 16
_CONTENT_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": ["null", "boolean", "number", "string", "array", "object"],
    },
}
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def _check_content(content: dict[str, JsonValue]) -> dict[str, JsonValue]:
    _check_value(content, _DEPTH_MAX)
    return content


def _check_value(value: JsonValue, depth: int) -> None:
    """Refuse what BSON, or a reader of JSON, cannot represent."""
    if not depth:
        raise ValueError(f"the content is nested more than {_DEPTH_MAX} levels deep")
    if isinstance(value, dict):
        if not all(_FIELD.fullmatch(name) for name in value):
            raise ValueError("a field's name must be letters, digits, '_' and '-', 64 at most")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_value(item, depth - 1)
    elif isinstance(value, str):
        value.encode()  # raises for lone surrogates
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is not finite")
    elif isinstance(value, int) and not -WHOLE_BELOW < value < WHOLE_BELOW:
        raise ValueError("an integer has more than 53 bits")


class OtherFindings(AlwaysValid):
    """Findings of a kind that a plug-in brings.

    Its analyzer makes ``content`` with the plug-in's own model, and names that model's schema.
    """

    kind: Annotated[Name, AfterValidator(_check_kind)] = Field(
        description="kind of the findings, chosen by the analyzer, such as 'eeg'",
        json_schema_extra={"not": {"enum": list(OWN_KINDS)}},
    )
    quality: AnyQuality = Field(description="whether the scan could be analysed")
    content_schema: Annotated[str, Field(pattern=r"^[!-~]{1,200}$")] = Field(
        description="URI that names the schema of 'content', with its version"
    )
    content: Annotated[
        dict[str, JsonValue], AfterValidator(_check_content), WithJsonSchema(_CONTENT_SCHEMA)
    ] = Field(description="what the analyzer found, as 'content_schema' defines it")
    parameters: dict[Name, Value] = Field(
        default={}, description="parameters by name; a name ends in its unit"
    )
    thresholds: dict[Name, float] = Field(
        default={}, description="limits derived from this scan, by name"
    )
    seed: Count | None = Field(
        default=None, description="seed of the random numbers; null if the analyzer uses none"
    )
    limitations: tuple[Text, ...] = Field(
        default=(), description="what the analyzer was validated on, and what it cannot do"
    )

    @property
    def lesions(self) -> None:
        """None: it has none that this release knows of."""

    @property
    def volumes(self) -> None:
        """None: it has none that this release knows of."""


def _kind_of(findings: Any) -> str:
    kind = findings.get("kind", "brain") if isinstance(findings, dict) else None
    kind = kind or getattr(findings, "kind", "brain")
    return kind if kind in OWN_KINDS else "other"


AnyFindings = Annotated[
    Annotated[Findings, Tag("brain")]
    | Annotated[EcgFindings, Tag("ecg")]
    | Annotated[OtherFindings, Tag("other")],
    Discriminator(_kind_of),
]
"""The findings of a scan of any kind."""

MODELS = (Findings, EcgFindings, OtherFindings)
"""Its models."""
