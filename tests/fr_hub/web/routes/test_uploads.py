"""Uploads over HTTP: in pieces, resumed, in one form; what is refused before a byte is read."""

import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fastapi.testclient import TestClient

from common.domain.states import ReportGenerated
from common.domain.user import Role
from common.domain.voxel_compression import unpack
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_hub.web.context import WebContext
from tests.common.formats.dicom.dicom_files import writer
from tests.factories import inside
from tests.fr_hub.web.conftest import NORTH, ClientOf

URL = "/api/v1/uploads"
OCTETS = {"Content-Type": "application/offset+octet-stream"}


def nifti(tmp_path: Path, voxels: Any = None, name: str = "a.nii.gz") -> bytes:
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4) if voxels is None else voxels
    path = tmp_path / name
    nib.save(nib.Nifti1Image(data, np.diag([1, 2, 3, 1])), path)  # type: ignore[no-untyped-call]
    return path.read_bytes()


def begin(client: TestClient, **wanted: Any) -> str:
    answer = client.post(URL, json=wanted)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == answer.json()["url"]
    return str(answer.json()["url"])


def patch(client: TestClient, url: str, offset: int, data: bytes) -> Any:
    return client.patch(url, content=data, headers={**OCTETS, "Upload-Offset": str(offset)})


def finished(client: TestClient, url: str) -> list[dict[str, Any]]:
    answer = client.post(f"{url}/finish")
    assert answer.status_code == 201, answer.text
    return list(answer.json()["files"])


def send(client: TestClient, data: bytes, name: str = "a.nii.gz") -> list[dict[str, Any]]:
    url = begin(client, name=name, size=len(data))
    assert patch(client, url, 0, data).status_code == 204
    return finished(client, url)


def files_under(context: WebContext) -> list[str]:
    """The files of uploads that are on the disk."""
    folder = context.settings.data_dir / "web" / "uploads"
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.fixture
def clinician(client_of: ClientOf) -> TestClient:
    return client_of(Role.CLINICIAN)


def test_a_file_comes_in_pieces_and_is_stored(
    clinician: TestClient, context: WebContext, store: DBManager, tmp_path: Path
) -> None:
    data = nifti(tmp_path)
    url = begin(clinician, name="JANE-DOE/sub-jane_T1w.nii.gz", size=len(data))
    first = patch(clinician, url, 0, data[:50])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "50")
    head = clinician.head(url)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("50", str(len(data)))
    assert patch(clinician, url, 50, data[50:]).status_code == 204
    [path] = (context.settings.data_dir / "web" / "uploads").rglob("*.nii.gz")
    assert path.stat().st_mode & 0o777 == 0o600
    [file] = finished(clinician, url)
    assert (file["name"], file["outcome"]) == ("JANE-DOE/sub-jane_T1w.nii.gz", "stored")
    [key] = file["scans"]
    assert files_under(context) == []
    stored = inside(store).find_one({"_id": key})
    assert stored is not None
    assert stored["report_generated"] == ReportGenerated.TO_DO
    assert (stored["scan"]["pacs"], stored["scan"]["contrast"]) == ("web", "t1")
    voxels = np.frombuffer(stored["voxels"], np.int16).reshape((2, 3, 4), order="F")
    assert voxels[1, 2, 3] == 23
    everything = [*inside(store).find(), *inside(store, Collection.AUDIT).find()]
    assert "jane" not in str(everything).lower()


def test_the_answer_can_be_had_again_and_the_same_file_is_the_same_scan(
    clinician: TestClient, tmp_path: Path
) -> None:
    data = nifti(tmp_path)
    url = begin(clinician, size=len(data))
    patch(clinician, url, 0, data)
    [file] = finished(clinician, url)
    assert finished(clinician, url) == [file]
    [again] = send(clinician, data)
    assert (again["outcome"], again["scans"]) == ("known", file["scans"])


def test_a_lost_connection_is_resumed_where_it_was(clinician: TestClient, tmp_path: Path) -> None:
    data = nifti(tmp_path)
    url = begin(clinician, size=len(data))
    assert patch(clinician, url, 0, data[:40]).status_code == 204
    wrong = patch(clinician, url, 10, data[10:])
    assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong_offset")
    assert wrong.headers["upload-offset"] == "40"
    early = clinician.post(f"{url}/finish")
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert patch(clinician, url, 40, data[40:]).status_code == 204
    assert finished(clinician, url)[0]["outcome"] == "stored"


def test_the_files_of_a_series_are_one_upload(clinician: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    write = writer(folder)
    slices = [write(n).read_bytes() for n in range(1, 5)]
    files = [{"name": f"in/{n}.dcm", "size": len(data)} for n, data in enumerate(slices)]
    url = begin(clinician, files=files)
    whole = b"".join(slices)
    for at in range(0, len(whole), 1000):
        assert patch(clinician, url, at, whole[at : at + 1000]).status_code == 204
    found = finished(clinician, url)
    assert [(one["name"], one["outcome"]) for one in found] == [
        (one["name"], "stored") for one in files
    ]
    assert len({key for one in found for key in one["scans"]}) == 1


@pytest.mark.parametrize("packed", [True, False])
def test_large_voxels_are_stored_as_fr_hub_stores_them(
    clinician: TestClient, store: DBManager, tmp_path: Path, packed: bool
) -> None:
    shape = (96, 96, 80)
    rng = np.random.default_rng(1)
    data = rng.normal(size=shape) if not packed else np.arange(np.prod(shape)).reshape(shape)
    voxels = data.astype(np.float64)
    [file] = send(clinician, nifti(tmp_path, voxels), "a.nii.gz")
    [key] = file["scans"]
    assert file["outcome"] == "stored"
    scan = inside(store).find_one({"_id": key})
    assert scan is not None
    assert "unsealed" not in scan
    assert ("packing" in scan) == packed
    found = inside(store, Collection.CHUNKS).find({"_id.blob": scan["blob"]}).sort("_id.n", 1)
    payload = b"".join(chunk["voxels"] for chunk in found)
    [claim] = store.claims.claim("test", 1, 60)
    if claim.packing is not None:
        payload = bytes(unpack(payload, claim.packing, claim.scan.voxels_bytes))
    assert np.array_equal(claim.scan.array(payload), voxels)
    assert inside(store, Collection.CHUNKS).distinct("_id.blob") == [scan["blob"]]
    [again] = send(clinician, nifti(tmp_path, voxels), "b.nii.gz")
    assert (again["outcome"], again["scans"]) == ("known", [key])


def test_a_form_stores_all_its_files_and_says_what_became_of_each(
    clinician: TestClient, context: WebContext, tmp_path: Path
) -> None:
    one, two = nifti(tmp_path), nifti(tmp_path, np.ones((4, 4, 4), np.uint8))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("in/side.nii.gz", two)
    files = [
        ("file", ("a.nii.gz", one)),
        ("file", ("a.nii.gz", two)),
        ("file", ("notes.txt", b"not an image")),
        ("file", ("z.zip", archive.getvalue())),
        ("file", ("cut.nii.gz", one[:60])),
    ]
    answer = clinician.post("/api/v1/scans", files=files, data={"field": "ignored"})
    assert answer.status_code == 201, answer.text
    found = {(one["name"], one["outcome"]) for one in answer.json()["files"]}
    assert found == {
        ("a.nii.gz", "stored"),
        ("notes.txt", "skipped"),
        ("z.zip", "skipped"),
        ("z.zip/in/side.nii.gz", "known"),
        ("cut.nii.gz", "refused"),
    }
    assert files_under(context) == []


def test_a_form_without_a_scan_is_an_error_that_names_each_file(
    clinician: TestClient, tmp_path: Path, context: WebContext
) -> None:
    cut = nifti(tmp_path)[:60]
    files = [("file", ("cut.nii.gz", cut)), ("file", ("notes.txt", b"not an image"))]
    answer = clinician.post("/api/v1/scans", files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_scan")
    found = {one["field"]: one["message"] for one in answer.json()["errors"]}
    assert set(found) == {"cut.nii.gz", "notes.txt"}
    assert "copy it again" in found["cut.nii.gz"]
    assert files_under(context) == []


@pytest.mark.parametrize("other", [(Role.CLINICIAN, NORTH), (Role.CLINICIAN, "default")])
def test_an_upload_of_another_answers_as_one_that_does_not_exist(
    clinician: TestClient, client_of: ClientOf, other: tuple[Role, str]
) -> None:
    url = begin(clinician, size=10)
    stranger = client_of(other[0], tenant=other[1])
    for ask in (stranger.head, stranger.get, stranger.delete):
        assert ask(url).status_code == ask(f"{URL}/gone").status_code == 404
    assert patch(stranger, url, 0, b"x").json() == patch(stranger, f"{URL}/x", 0, b"x").json()
    assert clinician.head(url).headers["upload-offset"] == "0"


def test_what_is_too_large_or_not_allowed_is_refused_before_it_is_read(
    clinician: TestClient, client_of: ClientOf, context: WebContext
) -> None:
    reader = client_of(Role.READER)
    assert reader.post(URL, json={"size": 1}).status_code == 403
    assert reader.post("/api/v1/scans", files={"file": ("a", b"x")}).status_code == 403
    huge = clinician.post(URL, json={"size": context.settings.web_upload_limit_mib * 2**20 + 1})
    assert (huge.status_code, huge.json()["code"]) == (413, "too_large")
    assert "WEB_UPLOAD_LIMIT_MIB" in huge.json()["detail"]
    url = begin(clinician, size=3)
    assert patch(clinician, url, 0, b"four").status_code == 413
    assert clinician.head(url).headers["upload-offset"] == "0"


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"size": -1},
        {"size": 1, "files": [{"name": "a", "size": 1}]},
        {"files": []},
        {"files": [{"name": "JANE" * 300, "size": 1}]},
        {"size": 1, "sise": 1},
    ],
)
def test_what_is_no_upload_is_refused_without_repeating_it(
    clinician: TestClient, wanted: dict[str, Any]
) -> None:
    answer = clinician.post(URL, json=wanted)
    assert answer.status_code == 422
    assert "JANE" not in answer.text


def test_a_cancelled_upload_is_gone(clinician: TestClient, context: WebContext) -> None:
    url = begin(clinician, size=10)
    patch(clinician, url, 0, b"12345")
    assert clinician.delete(url).status_code == 204
    assert clinician.head(url).status_code == 404
    assert files_under(context) == []


@pytest.mark.parametrize("body", [b"", b"--x\r\n", b"no form", b"--x--\r\n"])
def test_a_form_that_is_none_is_refused(clinician: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = clinician.post("/api/v1/scans", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_form")


def test_while_the_backlog_is_full_nothing_is_taken(
    client_of: ClientOf, store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(store.capacity), "count_to_do_by_pacs", lambda *_: {"web": 10**6, "pacs-1": 10**6}
    )
    answer = client_of(Role.CLINICIAN).post(URL, json={"size": 1})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert client_of(Role.CLINICIAN, tenant=NORTH).post(URL, json={"size": 1}).status_code == 201


def references(value: Any) -> set[str]:
    """All references in a document."""
    if isinstance(value, list):
        return {found for one in value for found in references(one)}
    if not isinstance(value, dict):
        return set()
    here = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return here | {found for one in value.values() for found in references(one)}


def test_the_document_describes_the_bodies_without_loose_ends(stranger: TestClient) -> None:
    document = stranger.get("/api/v1/openapi.json").json()
    for reference in references(document):
        place = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
    body = document["paths"][URL]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/UploadRequest"}
    schemas = document["components"]["schemas"]
    assert set(schemas["UploadRequest"]["properties"]) == {"name", "size", "files", "volumes"}
    assert set(schemas["UploadFile"]["properties"]) == {"name", "size"}
