"""What a file is by its name alone, where no content could make it a scan."""

from pathlib import PurePath

_SUFFIXES = {
    "sidecar": (
        *("json", "jsonl", "tsv", "csv", "tsv.gz", "csv.gz", "bval", "bvec", "bvals", "bvecs"),
        *("mat", "xml", "yml", "yaml", "toml", "lta", "xfm"),
        *("sha1", "sha256", "md5", "sqlite", "db", "bib", "cff"),
    ),
    "text": ("log", "txt", "md", "rst", "rtf"),
    "document": (
        *("pdf", "htm", "html", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods"),
        *("chm", "hlp", "ps", "eps"),
    ),
    "picture": (
        *("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "svg", "webp", "ico", "heic"),
        *("psd", "xcf"),
    ),
    "video": ("mp4", "avi", "mov", "mpg", "mpeg", "wmv", "mkv", "webm", "mp3", "wav", "flv"),
    "program": (
        *("exe", "dll", "ocx", "com", "bat", "cmd", "msi", "jar", "class", "so", "dylib", "app"),
        *("inf", "cab", "sys", "lnk", "url", "js", "css", "swf", "manifest", "config", "vbs"),
        *("py", "pyc", "sh", "m", "r", "ipynb", "c", "h", "cpp", "java", "ttf", "woff", "woff2"),
    ),
    "surface": (
        *("gii", "gii.gz", "annot", "label", "stl", "vtk", "vtp", "ply", "trk", "trk.gz", "tck"),
        *("trx", "m3z", "surf"),
        # CIFTI-2: surfaces and grey matter in the guise of NIfTI
        *(f"{kind}.nii" for kind in ("dscalar", "dtseries", "dlabel", "ptseries", "pscalar")),
        *(f"{kind}.nii" for kind in ("pconn", "dconn", "pdconn", "dpconn", "dfan", "sdseries")),
    ),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}

_BY_NAME = {
    **dict.fromkeys(("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"), "system"),
    **dict.fromkeys(
        ("readme", "license", "licence", "copying", "changes", "changelog", "authors", "makefile"),
        "text",
    ),
}
_ECG_SUFFIXES = (".ecg.json", ".ecg.csv", ".ecg.xml")
"""Sidecars by their last suffix, but ECGs by the one before."""

_SYSTEM_PREFIXES = ("._", ".ds_store", ".spotlight-", ".trash", ".fseventsd", ".appledouble")


def kind_by_name(name: str) -> str | None:
    """What a file or folder is by its name, if it is no scan for sure; else None.

    Args:
        name: without its folder.

    Returns:
        A kind of ``common.domain.skipped_kinds``, or None.
    """
    low = name.lower()
    if low.startswith(_SYSTEM_PREFIXES):
        return "system"
    if low.startswith("."):
        return "hidden"
    if kind := _BY_NAME.get(low):
        return kind
    if low.endswith(_ECG_SUFFIXES):
        return None
    suffixes = PurePath(low).suffixes[-2:]
    for start in range(len(suffixes)):
        if kind := _BY_SUFFIX.get("".join(suffixes[start:])[1:]):
            return kind
    return None
