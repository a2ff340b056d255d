"""An API as they are often made: FastAPI takes files into PostgreSQL, Celery with Redis analyses
them. It has no users, no audit trail and no limits."""

from typing import Annotated, Any

from blake3 import blake3
from fastapi import FastAPI, File, HTTPException

from tests.benchmarks.peers.http_tasks import analyse, connection

api = FastAPI()


@api.post("/scans", status_code=201)
def upload(file: Annotated[bytes, File()]) -> dict[str, str]:
    """Store a file, then queue it."""
    scan_id = blake3(file).hexdigest()
    insert = "INSERT INTO scans (id, file) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    connection().execute(insert, (scan_id, file))
    analyse.delay(scan_id)
    return {"id": scan_id}


@api.get("/scans/{scan_id}/report")
def report(scan_id: str) -> Any:
    """The report of a scan."""
    found = connection().execute("SELECT report FROM reports WHERE id = %s", (scan_id,)).fetchone()
    if found is None:
        raise HTTPException(404)
    return found[0]
