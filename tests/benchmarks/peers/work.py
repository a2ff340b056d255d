"""The work that every peer does with a grid.

It stores the scan (majority, journaled), analyses it with Fr's analyzer, stores the report in the
same way and answers the sender.
"""

import base64
import functools
import json
import os
from collections.abc import Iterator
from typing import Any

import pymongo

from common.domain.scan import BrainScan
from fr_brain.analyzers.grid import GridAnalyzer
from fr_pacs.sources.grid import GridSource

Message = dict[str, Any]


def messages(count: int, seed: int) -> Iterator[Message]:
    """Grids as JSON messages, with the cells in base64."""
    for task in GridSource(pacs="pacs-1", scans=count, seed=seed):
        loaded = task.load()
        yield {
            "scan": loaded.scan.model_dump_json(),
            "cells": base64.b64encode(loaded.voxels).decode(),
        }


@functools.cache
def database() -> "pymongo.database.Database[dict[str, Any]]":
    """This process's connection to the MongoDB of the run, with durable writes."""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        os.environ["BENCH_MONGODB"], w="majority", journal=True
    )
    return client[os.environ["BENCH_DATABASE"]]


def work(message: Message) -> str:
    """Store the scan, analyse it, store the report; return the scan id."""
    scan = BrainScan.model_validate_json(message["scan"])
    cells = base64.b64decode(message["cells"])
    store(scan, cells)
    report(scan, cells)
    return scan.scan_id


def store(scan: BrainScan, cells: bytes) -> None:
    """Store the scan; idempotent."""
    document = {"scan": scan.model_dump(mode="json"), "voxels": cells, "state": "To Do"}
    database().scans.update_one({"_id": scan.scan_id}, {"$setOnInsert": document}, upsert=True)


def report(scan: BrainScan, cells: bytes) -> None:
    """Analyse the scan and store the report; idempotent."""
    findings = GridAnalyzer().analyse(scan, scan.array(cells))
    database().reports.update_one(
        {"_id": scan.scan_id},
        {"$setOnInsert": {"findings": findings.model_dump(mode="json"), "sent": False}},
        upsert=True,
    )


def line(message: Message) -> bytes:
    """Encode a message as a line of JSON."""
    return json.dumps(message).encode() + b"\n"
