"""The least that a pipeline like Fr has to write, without Fr: PyMongo on the same MongoDB.

Nothing with the same guarantees can be faster on this machine, so a ratio of Fr to one of these
that is above 1 is a mistake of the benchmark.
"""

import multiprocessing
import os
import socket
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np
import pymongo
from pymongo.write_concern import WriteConcern

from common.domain.types import Document, utc_now
from common.store.documents import NewScan, report_document, scan_document
from common.store.reconciliation import FINISH
from fr_pacs.sources.grid import GridSource
from tests.benchmarks.figures import Figures
from tests.benchmarks.machine import now
from tests.benchmarks.units import Bench
from tests.factories import make_report

BATCH = 1000
_SENT = {"$set": {"status": True}, "$currentDate": {"sent_at": True}}
_END_S = 300.0


def five_writes(bench: Bench, scans: int, clients: int = 2, *, by_batch: bool = False) -> Figures:
    """The five writes of each scan, in batches of 1,000, with Fr's indexes: insert the scan, claim
    it (the only one that need not be durable), insert its report, set it 'Done', mark the report as
    sent. No wire, no audit trail, no analysis.

    Args:
        bench: the MongoDB.
        scans: in all.
        clients: processes that share them.
        by_batch: an experiment: a document for each batch says which scans are claimed, and one
            which reports were sent, instead of an update of each scan and each report.
    """
    context = multiprocessing.get_context("spawn")
    with bench.database() as database, context.Pool(clients, _prepare, _shared(clients)) as pool:
        share = scans // clients
        jobs = [(bench.uri, database, share, 100 + n, by_batch) for n in range(clients)]
        spans = pool.map(_write, jobs, chunksize=1)
    took = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return {"scans/s": share * clients / took}


def _shared(clients: int) -> tuple[Barrier]:
    return (multiprocessing.get_context("spawn").Barrier(clients),)


_ready: list[Barrier] = []


def _prepare(barrier: Barrier) -> None:
    _ready.append(barrier)


def _write(job: tuple[str, str, int, int, bool]) -> tuple[float, float]:
    """Write these scans; when it began and ended, by the clock that all processes share."""
    uri, database, count, seed, by_batch = job
    loaded = [task.load() for task in GridSource("pacs-1", count, seed=seed)]
    scans = [scan_document(NewScan(s.scan, voxels=bytes(s.voxels)), utc_now()) for s in loaded]
    reports = [report_document(make_report(s.scan)) for s in loaded]
    claim: Document = {"owner": "floor", "lease_until": utc_now()}
    claimed = {
        "$set": {"report_generated": "In Progress", **claim},
        "$inc": {"fence": 1, "attempts": 1},
    }
    with _client(uri) as client:
        of_scans, of_reports = client[database].brain_scans, client[database].brain_reports
        unwaited = of_scans.with_options(write_concern=WriteConcern(1))
        batches = client[database].batches
        unwaited_batches = batches.with_options(write_concern=WriteConcern(1))
        of_scans.find_one()
        _ready[0].wait(_END_S)
        began = time.monotonic()
        for start in range(0, count, BATCH):
            batch = scans[start : start + BATCH]
            ids = [document["_id"] for document in batch]
            keys = {"_id": {"$in": ids}}
            of_scans.insert_many(batch, ordered=False)
            if by_batch:
                unwaited_batches.insert_one({"claimed": ids, **claim})
            else:
                unwaited.update_many(keys, claimed)
            of_reports.insert_many(reports[start : start + BATCH], ordered=False)
            of_scans.update_many(keys, FINISH)
            if by_batch:
                batches.insert_one({"sent": ids})
            else:
                of_reports.update_many(keys, _SENT)
        return began, time.monotonic()


def two_writes(bench: Bench, messages: int, rate: float) -> tuple[Figures, list[float]]:
    """Two journaled writes in a row through three processes over plain sockets: this one sends a
    scan to the second one, which stores it and sends its key to the third one, which stores a
    report and answers this one.

    Args:
        bench: the MongoDB.
        messages: to send.
        rate: messages per second.

    Returns:
        The figures, and the latencies in ms.
    """
    context = multiprocessing.get_context("spawn")
    scan = next(iter(GridSource("pacs-1", 1, seed=1))).load()
    first = scan_document(NewScan(scan.scan, voxels=bytes(scan.voxels)), utc_now())
    second = report_document(make_report(scan.scan))
    with bench.database() as database:
        back = socket.create_server(("127.0.0.1", 0))
        onward = socket.create_server(("127.0.0.1", 0))
        inward = socket.create_server(("127.0.0.1", 0))
        stages = [(inward, onward, first, "brain_scans"), (onward, back, second, "brain_reports")]
        running = [
            context.Process(
                target=_store,
                args=(bench.uri, database, name, document, accepts, leads.getsockname()[1]),
                daemon=True,
            )
            for accepts, leads, document, name in stages
        ]
        for process in running:
            process.start()
        with socket.create_connection(inward.getsockname()) as out:
            out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers, _ = back.accept()
            took = _timed(out, answers, messages, rate)
        for process in running:
            process.join(_END_S)
    p50, p99 = np.percentile(np.array(took), (50, 99))
    return {"p50 ms": float(p50), "p99 ms": float(p99)}, took


def _timed(out: socket.socket, answers: socket.socket, messages: int, rate: float) -> list[float]:
    took = []
    due = now()
    for n in range(messages + 20):
        time.sleep(max(0.0, due - now()))
        began = now()
        out.sendall(n.to_bytes(4, "big"))
        _receive(answers)
        if n >= 20:  # the first ones warm up
            took.append(1000 * (now() - began))
        due += 1 / rate
    return took


def _store(
    uri: str, database: str, name: str, document: Document, accepts: socket.socket, port: int
) -> None:
    """Store a document for each message, then pass the message on."""
    with _client(uri) as client, socket.create_connection(("127.0.0.1", port)) as out:
        out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        collection = client[database][name]
        collection.find_one()
        source, _ = accepts.accept()
        while message := _receive(source):
            key = f"{int.from_bytes(message, 'big')}-{os.getpid()}@floor"
            collection.insert_one({**document, "_id": key})
            out.sendall(message)


def _receive(source: socket.socket) -> bytes:
    return source.recv(4, socket.MSG_WAITALL)


def _client(uri: str) -> "pymongo.MongoClient[dict[str, Any]]":
    return pymongo.MongoClient(uri, w="majority", journal=True)
