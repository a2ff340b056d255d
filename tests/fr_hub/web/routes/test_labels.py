"""Label maps of reports: which there are, and as NIfTI like the voxels of their scan."""

import gzip
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.domain.scan_key import scan_id_of
from common.domain.user import Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside, make_reports
from tests.fr_hub.web.conftest import NORTH, ClientOf
from tests.label_maps import Labels, analyse_again, labels_of, make_labelled, packed

SCANS = "/api/v1/scans"
SHAPE = (5, 6, 8)
AFFINE = ((0.0, -2.0, 0.0, 90.0), (1.5, 0.0, 0.0, -80.0), (0.0, 0.0, 3.0, 7.0))
SCAN: dict[str, Any] = {
    "voxels": bytes(np.prod(SHAPE)),
    "shape": SHAPE,
    "scan_type": "volume",
    "affine": AFFINE,
}
Labelled = tuple[str, Labels, Labels]


@pytest.fixture
def labelled(store: DBManager) -> Labelled:
    """The key of a scan, and the maps ``lesions`` and ``tissues`` of its report."""
    report, lesions, tissues = make_labelled(store, **SCAN)
    return report.key, lesions, tissues


def test_the_maps_are_listed_with_meanings_and_volumes(
    labelled: Labelled, client_of: ClientOf
) -> None:
    key, lesions, tissues = labelled
    client = client_of(Role.READER)
    answer = client.get(f"{SCANS}/{key}/labels")
    body = answer.json()
    assert body["revision"] == 1
    assert [one["name"] for one in body["items"]] == ["lesions", "tissues"]
    for one, labels in zip(body["items"], (lesions, tissues), strict=True):
        assert [(v["value"], v["meaning"], v["voxels"]) for v in one["values"]] == [
            (n, meaning, int((labels == n).sum()))
            for n, meaning in ((1, "one"), (2, "two"), (3, "three"))
        ]
        assert one["voxels"] == int((labels > 0).sum())
        assert one["volume_ml"] == pytest.approx(one["voxels"] * 0.009)
        assert one["values"][0]["volume_ml"] == pytest.approx(one["values"][0]["voxels"] * 0.009)
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get(f"{SCANS}/{key}/labels", headers=known).status_code == 304
    assert client.get(f"{SCANS}/{key}").json()["labels"] == ["lesions", "tissues"]


def test_a_map_is_a_nifti_file_on_the_voxels_of_its_scan(
    labelled: Labelled, client_of: ClientOf
) -> None:
    key, _, tissues = labelled
    client = client_of(Role.READER)
    path = f"{SCANS}/{key}/labels/tissues.nii"
    whole = client.get(path)
    image = nib.Nifti1Image.from_bytes(whole.content)
    assert np.array_equal(np.asanyarray(image.dataobj), tissues)
    assert int(image.header["intent_code"]) == 1002  # label
    [names] = image.header.extensions
    assert names.text == "index\tname\n1\tone\n2\ttwo\n3\tthree\n"
    scan = nib.Nifti1Image.from_bytes(client.get(f"{SCANS}/{key}/voxels.nii").content)
    assert np.array_equal(image.affine, scan.affine)
    etag = whole.headers["etag"]
    part = client.get(path, headers={"Range": "bytes=340-420", "If-Range": etag})
    assert (part.status_code, part.content) == (206, whole.content[340:421])
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    small = client.get(f"{path}.gz")
    assert gzip.decompress(small.content) == whole.content
    file = f"{scan_id_of(key)}-tissues.nii.gz"
    assert small.headers["content-disposition"] == f'attachment; filename="{file}"'
    other = client.get(f"{SCANS}/{key}/labels/lesions.nii")
    assert other.headers["etag"] != etag


def test_a_coarser_map_has_the_most_frequent_labels(
    labelled: Labelled, client_of: ClientOf
) -> None:
    key, _, tissues = labelled
    client = client_of(Role.READER)
    answer = client.get(f"{SCANS}/{key}/labels/tissues.nii?level=1")
    image = nib.Nifti1Image.from_bytes(answer.content)
    means = nib.Nifti1Image.from_bytes(client.get(f"{SCANS}/{key}/voxels.nii?level=1").content)
    assert image.shape == means.shape == (3, 3, 4)
    assert np.array_equal(image.affine, means.affine)
    found = np.asanyarray(image.dataobj)
    for index in np.ndindex(image.shape):
        block = tissues[tuple(slice(2 * n, 2 * n + 2) for n in index)]
        counts = np.bincount(block.ravel(), minlength=4)
        assert found[index] == np.flatnonzero(counts == counts.max())[-1]


def test_earlier_revisions_keep_their_maps(
    store: DBManager, labelled: Labelled, client_of: ClientOf
) -> None:
    key, lesions, _ = labelled
    claim, _ = store.revisions.reported(key)  # type: ignore[misc]
    again = labels_of(claim.scan, 7)
    analyse_again(store, key, packed(lesions=again))
    client = client_of(Role.READER)
    for query, labels in (("", again), ("?revision=2", again), ("?revision=1", lesions)):
        answer = client.get(f"{SCANS}/{key}/labels/lesions.nii{query}")
        image = nib.Nifti1Image.from_bytes(answer.content)
        assert np.array_equal(np.asanyarray(image.dataobj), labels)
    assert client.get(f"{SCANS}/{key}/labels?revision=1").json()["revision"] == 1
    gone = client.get(f"{SCANS}/{key}/labels/tissues.nii")
    assert (gone.status_code, gone.json()["code"]) == (404, "no_label_map")


def test_what_is_not_there_or_damaged_is_said(
    store: DBManager, labelled: Labelled, client_of: ClientOf
) -> None:
    key, *_ = labelled
    here, north = client_of(Role.READER), client_of(Role.READER, tenant=NORTH)
    for path in ("labels", "labels/lesions.nii", "labels/lesions.nii.gz"):
        foreign, absent = (north.get(f"{SCANS}/{one}/{path}") for one in (key, "absent@mr-1"))
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content
    [report] = make_reports(store, 1)
    assert here.get(f"{SCANS}/{report.key}/labels").json() == {"revision": 1, "items": []}
    assert here.get(f"{SCANS}/{report.key}/labels/lesions.nii").json()["code"] == "no_label_map"
    inside(store, Collection.LABELS).update_many({}, {"$set": {"labels": b"x"}})
    for path in ("lesions.nii", "lesions.nii.gz", "lesions.nii?level=1"):
        answer = here.get(f"{SCANS}/{key}/labels/{path}")
        assert (answer.status_code, answer.json()["code"]) == (500, "voxels_damaged")
