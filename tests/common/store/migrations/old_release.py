"""A database of the release before version 2 of the schema, as data: its scans in all states,
small, large and compressed, revisions, pictures, a tombstone, an upload under way, audit chains.

``release_1.jsonl`` was written by that release. A line is a collection with its options and
indexes, or a document.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
from bson import json_util

from common.domain.types import Document

FILE = Path(__file__).with_name("release_1.jsonl")

TO_DO = {
    "requeued-1@pacs-1",
    "held-1@pacs-2",
    "revise-waiting-1@pacs-1",
    "waiting-1@pacs-1",
    "waiting-2@pacs-2",
    "waiting-large-1@pacs-1",
    "waiting-packed-1@pacs-1",
    "unsealed-1@pacs-1",
}
"""Scans that wait or whose processor died."""

SCANS = TO_DO | {
    "voxels-gone-1@pacs-1",
    "revised-1@pacs-1",
    "sent-large-1@pacs-1",
    "sent-2@pacs-2",
    "failed-1@pacs-1",
    "unsent-1@pacs-1",
    "unsent-2@pacs-2",
}
"""All scans; besides them there is the tombstone of ``purged-1``."""


def restore(uri: str, database: str) -> None:
    """Fill an empty database with it."""
    options = json_util.JSONOptions(tz_aware=True)
    with pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        base = client[database]
        for collection, documents in _parts(options):
            base.create_collection(collection["name"], **collection["options"])
            if collection["indexes"]:
                base.command(
                    {"createIndexes": collection["name"], "indexes": collection["indexes"]}
                )
            if documents:
                base[collection["name"]].insert_many(documents)


def _parts(options: json_util.JSONOptions) -> Iterator[tuple[Document, list[Document]]]:
    collection: Document | None = None
    documents: list[Document] = []
    for line in FILE.read_text().splitlines():
        found = json_util.loads(line, json_options=options)
        if "document" in found:
            documents.append(found["document"])
            continue
        if collection is not None:
            yield collection, documents
        collection, documents = found, []
    assert collection is not None
    yield collection, documents
