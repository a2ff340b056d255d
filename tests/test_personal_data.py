"""A marker in every attribute that can identify a patient, in names of files and in what peers send
is in nothing that leaves Fr-PACS, nor in its own log with LABELS=hash."""

import gzip
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import bson
import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.valuerep import VR
from pymongo import MongoClient

from common.domain.report_index import NAME as INDEX
from common.domain.scan import BrainScan
from common.store.db_manager import DBManager
from common.wire.blocking_connection import Channel
from common.wire.messages import Nack
from common.wire.policy_from_settings import policy_from_settings
from common.wire.protocol import Side
from tests.common.formats.dicom.dicom_files import writer
from tests.factories import make_scan, migrate
from tests.fr_pacs.streams import pacs_settings
from tests.identifying_attributes import ATTRIBUTES
from tests.running import FRAME, answer, until
from tests.test_end_to_end import UNITS, Pipeline

SECRET = "0123456789abcdef" * 2

MARKER = "KANARIENVOGEL"
"""In every text."""
DAY, TIME, NUMBER = "17770707", "070707.770077", "77077077"
UID = "1.2.3.77077077"
TRACES = (MARKER, MARKER.lower(), "1777-07-07", "1777, 7, 7", DAY, NUMBER, "07:07:07.77")
"""What must not be found."""


def value_of(vr: str) -> Any:
    """A value of this value representation that contains a marker."""
    numbers = {"DS": NUMBER, "IS": NUMBER, "US": 7707, "AS": "077Y", "UI": UID}
    times = {"DA": DAY, "TM": TIME, "DT": DAY + TIME}
    if vr in ("OB", "OW", "UN"):
        return MARKER.encode() + b"\0"
    if vr == "SQ":
        item = Dataset()
        item.PatientName = f"{MARKER}^Sequence"
        item.add_new(0x00091001, "LO", f"{MARKER} private")
        return pydicom.Sequence([item])
    return {**numbers, **times}.get(vr, f"{MARKER}^{vr}"[:16])


def mark(path: Path, number: int) -> Path:
    """Put a marker into every attribute of Table E.1-1, and into private groups."""
    data = pydicom.dcmread(path)
    for vr, tags in ATTRIBUTES.items():
        for tag in tags.split():
            # Whatever other tests have imported: markers are no valid values.
            ignore = pydicom.config.IGNORE
            data.add(pydicom.DataElement(int(tag, 16), vr, value_of(vr), validation_mode=ignore))
    data.SOPInstanceUID = f"{UID}.{number}"
    # The time of the acquisition is part of a scan's header.
    data.AcquisitionDate, data.AcquisitionTime = "20200102", "030405"
    data.AcquisitionDateTime = "20200102030405"
    data.PatientID = f"{MARKER}-1"
    for group in (0x0009, 0x0019, 0x7FE1):
        block = data.private_block(group, f"{MARKER} PRIVATE", create=True)
        block.add_new(1, VR.LO, f"{MARKER} private")
        block.add_new(2, VR.UN, MARKER.encode())
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path)
    return path


def change(path: Path, **values: Any) -> None:
    """Change attributes of a marked file."""
    data = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(data, keyword, value)
    data.save_as(path)


def dicom_files(folder: Path) -> None:
    """A good series, and others that fail in different ways."""
    for n in (1, 2, 3):
        mark(writer(folder / f"{MARKER}^series")(n, f"{MARKER}_{n}.dcm"), n)
    broken = writer(folder / f"{MARKER}-broken")
    names = iter(range(100, 200))

    def one(**values: Any) -> Path:
        n = next(names)
        path = mark(broken(n, f"{MARKER}_{n}.dcm"), n)
        change(path, **{"SeriesInstanceUID": f"{UID}.9.{n}", **values})
        return path

    one(PhotometricInterpretation=MARKER)
    one(Modality=MARKER, Rows=0)
    one(ImagePositionPatient=[7, 7, 7], PixelSpacing=None, ImageOrientationPatient=None)
    one(InstanceNumber=None, SeriesInstanceUID=f"{UID}.7", Rows=3)
    one(InstanceNumber=None, SeriesInstanceUID=f"{UID}.7", ImagePositionPatient=[0, 0, 0])
    one(InstanceNumber=None, SeriesInstanceUID=f"{UID}.7", ImagePositionPatient=[0, 0, 0.5])
    one(ImageType=[MARKER, "MOSAIC"])
    one(NumberOfFrames=7)
    short = one(SeriesInstanceUID=f"{UID}.8")
    short.write_bytes(short.read_bytes()[:-9])
    torn = one()
    torn.write_bytes(torn.read_bytes()[:2000])
    (folder / f"{MARKER}.dcm").write_bytes(b"\0" * 128 + b"DICM" + MARKER.encode() * 50)


def nifti_files(folder: Path) -> None:
    """A good image, and others that fail in different ways."""
    image = nib.Nifti1Image(  # type: ignore[no-untyped-call]
        np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)
    )
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = MARKER
    image.header.extensions.append(
        nib.nifti1.Nifti1Extension("comment", f"{MARKER} comment".encode())
    )
    place = folder / MARKER / f"sub-{MARKER}"
    place.mkdir(parents=True)
    nib.save(image, place / f"{MARKER}.nii")
    whole = (place / f"{MARKER}.nii").read_bytes()
    (place / f"{MARKER}-cut.nii").write_bytes(whole[:-20])
    (place / f"{MARKER}-cut.nii.gz").write_bytes(gzip.compress(whole)[:-20])
    (place / f"{MARKER}-text.nii").write_bytes(MARKER.encode() * 50)
    (place / f"{MARKER}-empty.nii").touch()
    (place / f"{MARKER}.doc").write_text(MARKER)
    (place / f"{MARKER}-link.nii").symlink_to("/etc/passwd")
    (place / f"{MARKER}-gone.nii").symlink_to(f"{MARKER}-nowhere")
    (place / f"{MARKER}\x1b[2J\u202e.nii").write_bytes(whole)


@dataclass(frozen=True)
class Raw:
    """A scan message with any content."""

    t: ClassVar[str] = "scan"
    content: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        return dict(self.content)


def refused_by_hand(hub_port: int) -> list[Nack]:
    """What Fr-HUB answers to headers with markers."""
    scan, voxels = make_scan()
    good = scan.model_dump(exclude_none=True)
    name = f"{MARKER}^HANS"
    wrong: list[dict[str, Any]] = [
        *({field: name} for field in good if field != "scan_id"),
        {"scan_id": name},
        {"scan_id": MARKER, "shape": [name]},
        {"subject": name},
        {"subject": f"{MARKER} HANS"},
        {"subject": f"{MARKER}-19770707"},
        {name: name},
        {MARKER.lower(): {name: name}},
        {"pacs": MARKER},
        {"affine": [[name] * 4] * 3},
        {"scan_type": "x" * 40 + name},
    ]
    policy = policy_from_settings(pacs_settings(shared_secret=SECRET), "pacs-1")
    address = ("127.0.0.1", hub_port)
    answers = []
    with closing(Channel.connect(address, Side.SCAN_SENDER, FRAME, 60, 5, policy)) as channel:
        channel.greet("pacs-1", "fr-hub")
        for fields in wrong:
            channel.send(Raw({"scan": {**good, **fields}, "voxels": voxels}))  # type: ignore[arg-type]
            nack = answer(channel, 60)
            assert isinstance(nack, Nack), (fields, nack)
            answers.append(nack)
    return answers


@pytest.fixture
def pipeline(mongodb_uri: str, database: str, tmp_path: Path) -> Iterator[Pipeline]:
    migrate(mongodb_uri, database)
    store = DBManager(mongodb_uri, database)
    made = Pipeline(store, tmp_path / "run", LOG_LEVEL="debug", SHARED_SECRET=SECRET)
    (tmp_path / "run").mkdir()
    try:
        yield made
    finally:
        made.stop_all()
        store.close()


def everything_in(uri: str, database: str) -> Iterator[tuple[str, bytes]]:
    """Each document of a database, in each of its collections, as BSON."""
    with MongoClient[dict[str, Any]](uri) as client:
        for name in client[database].list_collection_names():
            for document in client[database][name].find():
                yield f"{name} {document.get('_id')}", bson.encode(document)


def reports_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The content of each report; their names, and the index of them, have the names of files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != INDEX:
            yield path.name, path.read_bytes()


def traces(content: bytes) -> list[str]:
    """The markers in some bytes."""
    return [trace for trace in TRACES if trace.encode() in content]


def test_no_marker_leaves_fr_pacs(pipeline: Pipeline, tmp_path: Path) -> None:
    source = tmp_path / f"{MARKER}-source"
    source.mkdir()
    dicom_files(source)
    nifti_files(source)
    reports = tmp_path / "reports"
    pipeline.settings.update(SOURCE=str(source), LABELS="hash", REPORTS=str(reports))
    for unit in UNITS:
        pipeline.start(unit)
    assert pipeline.processes["fr_pacs"].wait(180) == 1, pipeline.log("fr_pacs")
    totals = pipeline.totals()
    # The good series and the two good NIfTI files; each of the others failed for its own reason, or
    # is no scan.
    assert totals["delivered"] >= 3, pipeline.log("fr_pacs")
    assert totals["failed"] + sum(totals["skipped"].values()) >= 15, totals
    assert totals["failed"] >= 12, totals
    answers = refused_by_hand(int(pipeline.settings["HUB_PORT"]))
    until(pipeline.drained, 60)
    for unit in ("fr_brain", "fr_hub"):
        pipeline.processes[unit].send_signal(signal.SIGTERM)
        assert pipeline.processes[unit].wait(60) == 0

    # The markers were read, and Fr-PACS' own records have the names.
    own = pipeline.summary.read_text() + pipeline.ledger.read_text()
    assert f"{MARKER}-" in (reports / INDEX).read_text()
    for name in (f"{MARKER}_100.dcm", f"{MARKER}-cut.nii.gz", f"{MARKER}-link.nii"):
        assert name in own

    looked_at = 0
    for what, content in (
        *((unit, pipeline.log(unit).encode()) for unit in UNITS),
        *everything_in(pipeline.store.connection.uri, pipeline.store.connection.name),
        *reports_in(reports),
        *((f"the answer {nack.code}", nack.reason.encode()) for nack in answers),
    ):
        looked_at += 1
        assert not traces(content), f"{what}: {traces(content)}: {content[:3000]!r}"
    assert looked_at > len(UNITS) + len(answers) + 3 * totals["delivered"]
    for unit in UNITS:
        assert all(line.isprintable() for line in pipeline.log(unit).splitlines()), unit
        assert "Pydantic" not in pipeline.log(unit)
    stored = [json.loads(path.read_text())["subject"] for path in reports.glob("*.json")]
    pseudonyms = [subject for subject in stored if subject is not None]
    assert pseudonyms, "the DICOM series has one"
    for subject in pseudonyms:
        assert BrainScan.model_validate({**make_scan()[0].model_dump(), "subject": subject})
