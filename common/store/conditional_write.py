"""One command that changes a document, or creates it, if a condition holds."""

from collections.abc import Mapping
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from common.domain.types import Document


def set_if(
    collection: Collection[Document], key: str, condition: Document, fields: Mapping[str, Any]
) -> Document | None:
    """Set fields of a document if a condition holds for it; all or none of them.

    Args:
        collection: of the document.
        key: its ``_id``. A document that does not exist is created.
        condition: an aggregation expression; it must hold for a document without fields.
        fields: aggregation expressions, by name.

    Returns:
        The document as it is now; None: another process created it at this moment.
    """
    change = {name: {"$cond": [condition, value, f"${name}"]} for name, value in fields.items()}
    try:
        return collection.find_one_and_update(
            {"_id": key}, [{"$set": change}], upsert=True, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:
        return None
