"""An API as they are often made: FastAPI takes files into PostgreSQL, Celery with Redis analyses
them. It has no users, no audit trail and no limits."""

from typing import Annotated, Any

from blake3 import blake3
from fastapi import Depends, FastAPI, File, HTTPException, Request

from tests.benchmarks.peers.http_tasks import analyse, analyse_ecg, connection

api = FastAPI()


@api.post("/scans", status_code=201)
def upload(file: Annotated[bytes, File()]) -> dict[str, str]:
    """Store a file, then queue it."""
    return _stored(file, analyse)


async def _body(request: Request) -> bytes:
    return await request.body()


@api.post("/ecgs", status_code=201)
def send(ecg: Annotated[bytes, Depends(_body)]) -> dict[str, str]:
    """Store an ECG as it is, then queue it."""
    return _stored(ecg, analyse_ecg)


def _stored(data: bytes, task: Any) -> dict[str, str]:
    scan_id = blake3(data).hexdigest()
    insert = "INSERT INTO scans (id, file) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    connection().execute(insert, (scan_id, data))
    task.delay(scan_id)
    return {"id": scan_id}


@api.get("/ecgs/{scan_id}/insights")
@api.get("/scans/{scan_id}/report")
def report(scan_id: str) -> Any:
    """The report of a scan."""
    found = connection().execute("SELECT report FROM reports WHERE id = %s", (scan_id,)).fetchone()
    if found is None:
        raise HTTPException(404)
    return found[0]
