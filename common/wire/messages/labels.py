"""From Fr-HUB to Fr-PACS: what goes before the label maps of a report."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from common.domain.labels_header import LabelsHeader
from common.domain.validation_errors import explain
from common.errors import ProtocolError, Refusal
from common.wire.messages.fields import read_document


@dataclass(frozen=True, slots=True)
class Labels:
    """The label maps of a report: they follow as chunks, and then the report does."""

    t: ClassVar[str] = "labels"
    header: LabelsHeader

    def body(self) -> dict[str, Any]:
        return {"labels": self.header.document()}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        try:
            header = LabelsHeader.model_validate(read_document(body, "labels"))
        except ValidationError as error:
            # Without the header nobody can tell what the chunks behind it are.
            raise ProtocolError(Refusal.HEADER, f"labels: {explain(error)}") from None
        return cls(header)
