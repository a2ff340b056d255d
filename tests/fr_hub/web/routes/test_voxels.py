"""Voxels as NIfTI: whole, in ranges, compressed, coarser."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from common.domain.scan_key import scan_id_of
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import inside, make_claimable, make_ecg, make_scan
from tests.fr_hub.web.conftest import NORTH, ClientOf

SCANS = "/api/v1/scans"
AFFINE = ((0.0, -2.0, 0.0, 90.0), (1.5, 0.0, 0.0, -80.0), (0.0, 0.0, 3.0, 7.0))
VOXELS = np.arange(4 * 6 * 8, dtype="int16").reshape(4, 6, 8)


@pytest.fixture
def key(store: DBManager) -> str:
    data = VOXELS.tobytes(order="F")
    scan, _ = make_scan(voxels=data, shape=VOXELS.shape, dtype="int16", affine=AFFINE)
    store.scans.add([NewScan(scan, data)])
    return scan.key


def test_a_scan_is_a_nifti_file_that_takes_ranges(key: str, client_of: ClientOf) -> None:
    client = client_of(Role.READER)
    whole = client.get(f"{SCANS}/{key}/voxels.nii")
    assert whole.status_code == 200
    image = nib.Nifti1Image.from_bytes(whole.content)
    assert np.array_equal(np.asanyarray(image.dataobj), VOXELS)
    assert np.allclose(image.affine[:3], AFFINE)
    size = len(whole.content)
    assert whole.headers["content-length"] == str(size)
    etag = whole.headers["etag"]
    for start, end in ((0, 10), (340, 360), (352, 353), (size - 1, size)):
        asked = {"Range": f"bytes={start}-{end - 1}", "If-Range": etag}
        part = client.get(f"{SCANS}/{key}/voxels.nii", headers=asked)
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.content == whole.content[start:end]
    beyond = client.get(f"{SCANS}/{key}/voxels.nii", headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416
    known = {"If-None-Match": etag}
    assert client.get(f"{SCANS}/{key}/voxels.nii", headers=known).status_code == 304
    packed = client.get(f"{SCANS}/{key}/voxels.nii.gz")
    file = f"{scan_id_of(key)}.nii.gz"
    assert packed.headers["content-disposition"] == f'attachment; filename="{file}"'
    assert packed.headers["content-type"] == "application/gzip"
    assert gzip.decompress(packed.content) == whole.content
    assert packed.headers["etag"] != etag


def test_a_signal_is_no_image(store: DBManager, client_of: ClientOf) -> None:
    scan, samples = make_ecg(np.ones((8, 2), np.float32))
    store.scans.add([NewScan(scan, samples)])
    for path in ("voxels.nii", "voxels.nii.gz", "voxels.nii?level=1"):
        answer = client_of(Role.READER).get(f"{SCANS}/{scan.key}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (422, "no_image")


def test_a_coarser_image_is_made_in_ranges_too(key: str, client_of: ClientOf) -> None:
    client = client_of(Role.READER)
    path = f"{SCANS}/{key}/voxels.nii?level=1"
    whole = client.get(path)
    image = nib.Nifti1Image.from_bytes(whole.content)
    assert image.shape == (2, 3, 4)
    assert len(whole.content) == int(whole.headers["content-length"])
    means = VOXELS.reshape(2, 2, 3, 2, 4, 2).mean(axis=(1, 3, 5))
    assert np.array_equal(np.asanyarray(image.dataobj), np.rint(means))
    part = client.get(path, headers={"Range": "bytes=360-371"})
    assert part.content == whole.content[360:372]
    assert client.get(f"{SCANS}/{key}/voxels.nii?level=7").status_code == 422


def test_what_is_not_there_or_damaged_is_said(
    store: DBManager, key: str, client_of: ClientOf
) -> None:
    here, north = client_of(Role.READER), client_of(Role.READER, tenant=NORTH)
    for suffix in ("nii", "nii.gz"):
        foreign = north.get(f"{SCANS}/{key}/voxels.{suffix}")
        absent = north.get(f"{SCANS}/absent@mr-1/voxels.{suffix}")
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content
    [scan] = make_claimable(store, 1)
    inside(store).update_one({"_id": scan.key}, {"$set": {"voxels": b"x"}})
    for path in ("voxels.nii", "voxels.nii.gz", "voxels.nii?level=1"):
        for headers in ({}, {"Range": "bytes=352-353"}):
            answer = here.get(f"{SCANS}/{scan.key}/{path}", headers=headers)
            assert answer.status_code == 500
            assert answer.json()["code"] == "voxels_damaged"
