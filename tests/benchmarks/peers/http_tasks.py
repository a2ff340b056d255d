"""The worker of ``http_api``: Celery with Redis; late acknowledgement, so that no task is lost."""

import json
import os
import threading
from typing import Any

import nibabel as nib
import numpy as np
import psycopg
from celery import Celery

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
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
    found = connection().execute("SELECT file FROM scans WHERE id = %s", (scan_id,)).fetchone()
    assert found is not None
    image = nib.Nifti1Image.from_bytes(bytes(found[0]))
    array = np.asarray(image.dataobj)
    voxels = array.tobytes(order="F")
    dtype: Any = str(array.dtype)
    scan = BrainScan(
        scan_id=scan_id,
        pacs="http",
        scan_type="volume",
        acquired_at=utc_now(),
        shape=array.shape,
        dtype=dtype,
        voxels_bytes=len(voxels),
        voxels_hash=hash_voxels(voxels),
        affine=image.affine.tolist(),
    )
    findings = VolumeAnalyzer().analyse(scan, scan.array(voxels))
    connection().execute(
        "INSERT INTO reports VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (scan_id, json.dumps(findings.model_dump(mode="json"))),
    )
