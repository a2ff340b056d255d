"""The worker of ``http_api``: Celery with Redis; late acknowledgement, so that no task is lost."""

import json
import os
import threading
from typing import Any

import nibabel as nib
import numpy as np
import psycopg
from celery import Celery

from common.domain.scan import BrainScan, Signal
from common.domain.types import hash_voxels, utc_now
from fr_brain.analyzers.ecg.ecg_analyzer import EcgAnalyzer
from fr_brain.analyzers.volume import VolumeAnalyzer

app = Celery("http", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=16,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_send_task_events=False,
)

_OURS = threading.local()


def connection() -> psycopg.Connection[Any]:
    """This thread's connection to PostgreSQL; each statement is committed, and waits until that is
    on the disk."""
    if not hasattr(_OURS, "connection"):
        _OURS.connection = psycopg.connect(os.environ["BENCH_POSTGRES"], autocommit=True)
    found: psycopg.Connection[Any] = _OURS.connection
    return found


@app.task(name="analyse")  # type: ignore[untyped-decorator]
def analyse(scan_id: str) -> None:
    """Read the file of a scan, analyse it, store the report; idempotent."""
    image = nib.Nifti1Image.from_bytes(_file_of(scan_id))
    _report(scan_id, VolumeAnalyzer(), np.asarray(image.dataobj), affine=image.affine[:3].tolist())


@app.task(name="analyse_ecg")  # type: ignore[untyped-decorator]
def analyse_ecg(scan_id: str) -> None:
    """Read the JSON of an ECG, analyse it, store the report; idempotent."""
    ecg = json.loads(_file_of(scan_id))
    leads = ecg["leads"]
    names = tuple(lead["name"] for lead in leads)
    samples = np.array([lead["signal"] for lead in leads], np.float32).T
    signal = Signal(sampling_rate_hz=ecg["sampling_rate_hz"], leads=names, units="mV")
    _report(scan_id, EcgAnalyzer(), samples, scan_type="ecg", signal=signal)


def _file_of(scan_id: str) -> bytes:
    found = connection().execute("SELECT file FROM scans WHERE id = %s", (scan_id,)).fetchone()
    assert found is not None
    return bytes(found[0])


def _report(scan_id: str, analyzer: Any, array: Any, **fields: Any) -> None:
    voxels = array.tobytes(order="F")
    scan = BrainScan(
        **{"scan_type": "volume", **fields},
        scan_id=scan_id,
        pacs="http",
        acquired_at=utc_now(),
        shape=array.shape,
        dtype=str(array.dtype),  # type: ignore[arg-type]
        voxels_bytes=len(voxels),
        voxels_hash=hash_voxels(voxels),
    )
    findings = analyzer.analyse(scan, scan.array(voxels))
    connection().execute(
        "INSERT INTO reports VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (scan_id, json.dumps(findings.model_dump(mode="json"))),
    )
