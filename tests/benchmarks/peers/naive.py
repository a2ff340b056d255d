"""A naive design: one message, one write and one acknowledgement at a time.

``python -m tests.benchmarks.peers.naive PORT`` runs its hub and its worker. It sends reports back
on the connection of the scans.
"""

import base64
import json
import multiprocessing
import socket
import sys
import threading
import time
from typing import BinaryIO

from pymongo import ReturnDocument

from common.domain.scan import BrainScan
from tests.benchmarks.peers.work import database, report, store

_POLL_S = 0.05


def worker() -> None:
    """Analyse one scan at a time and write its report."""
    while True:
        taken = database().scans.find_one_and_update(
            {"state": "To Do"},
            {"$set": {"state": "In Progress"}},
            return_document=ReturnDocument.AFTER,
        )
        if taken is None:
            time.sleep(_POLL_S)
            continue
        scan = BrainScan.model_validate_json(json.dumps(taken["scan"]))
        report(scan, taken["voxels"])
        database().scans.update_one({"_id": taken["_id"]}, {"$set": {"state": "Done"}})


def send_reports(stream: BinaryIO, lock: threading.Lock, acked: threading.Semaphore) -> None:
    """Send each report, wait for its acknowledgement and mark it as sent."""
    while True:
        found = database().reports.find_one({"sent": False})
        if found is None:
            time.sleep(_POLL_S)
            continue
        with lock:
            stream.write(json.dumps({"report": found["_id"]}).encode() + b"\n")
            stream.flush()
        acked.acquire()
        database().reports.update_one({"_id": found["_id"]}, {"$set": {"sent": True}})


def serve(port: int) -> None:
    """Receive the scans of one connection."""
    database().scans.create_index("state")
    database().reports.create_index("sent")
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = connection.makefile("rwb")
            first = stream.readline()
            if not first:
                continue  # a check whether the port is open
            lock, acked = threading.Lock(), threading.Semaphore(0)
            threading.Thread(target=send_reports, args=(stream, lock, acked), daemon=True).start()
            line = first
            while line:
                message = json.loads(line)
                if "ack" in message:
                    acked.release()
                else:
                    scan = BrainScan.model_validate_json(message["scan"])
                    store(scan, base64.b64decode(message["cells"]))
                    with lock:
                        stream.write(json.dumps({"ack": scan.scan_id}).encode() + b"\n")
                        stream.flush()
                line = stream.readline()
            return


if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=worker, daemon=True).start()
    serve(int(sys.argv[1]))
