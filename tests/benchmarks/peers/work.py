"""What every peer does with a grid, with the means that its users would choose.

The scan is persisted (majority, journaled), analysed by the project's own analyzer, its report
persisted likewise; the answer tells the sender that it is there.
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
    """Grids as a home-made script sends them: JSON, the cells in base64."""
    for task in GridSource(pacs="pacs-1", scans=count, seed=seed):
        loaded = task.load()
        yield {
            "scan": loaded.scan.model_dump_json(),
            "cells": base64.b64encode(loaded.voxels).decode(),
        }


@functools.cache
def database() -> "pymongo.database.Database[dict[str, Any]]":
    """This process' connection to the run's MongoDB; every write durable."""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        os.environ["BENCH_MONGODB"], w="majority", journal=True
    )
    return client[os.environ["BENCH_DATABASE"]]


def work(message: Message) -> str:
    """Persist, analyse, persist; returns the scan's id."""
    scan = BrainScan.model_validate_json(message["scan"])
    cells = base64.b64decode(message["cells"])
    store(scan, cells)
    report(scan, cells)
    return scan.scan_id


def store(scan: BrainScan, cells: bytes) -> None:
    """The scan, once."""
    document = {"scan": scan.model_dump(mode="json"), "voxels": cells, "state": "To Do"}
    database().scans.update_one({"_id": scan.scan_id}, {"$setOnInsert": document}, upsert=True)


def report(scan: BrainScan, cells: bytes) -> None:
    """The analysis and its report, once."""
    findings = GridAnalyzer().analyse(scan, scan.array(cells))
    database().reports.update_one(
        {"_id": scan.scan_id},
        {"$setOnInsert": {"findings": findings.model_dump(mode="json"), "sent": False}},
        upsert=True,
    )


def line(message: Message) -> bytes:
    """A message as a line of JSON."""
    return json.dumps(message).encode() + b"\n"
