"""Folders on network file systems are told from local ones."""

from pathlib import Path

import pytest

from fr_pacs.sources.watching.remote_folders import remote_kind

LINE = "36 25 0:32 / {point} rw,relatime shared:1 - {kind} server:/export rw,vers=4.2"


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ({"/": "ext4"}, None),
        ({"/": "nfs4"}, "nfs4"),
        ({"/": "ext4", "{above}": "cifs"}, "cifs"),
        ({"/": "nfs", "{above}": "xfs"}, None),
        ({"/": "ext4", "{here}/study": "fuse.sshfs"}, "fuse.sshfs"),
        ({"/": "ext4", "{above}": "nfs", "{here}": "btrfs"}, None),
        ({"/": "overlay", "/elsewhere": "nfs"}, None),
        ({"/": "ext4", "{here}-2": "nfs"}, None),
        ({"/": "fuseblk"}, None),
    ],
)
def test_the_nearest_mount_counts_and_those_inside(
    tmp_path: Path, mounts: dict[str, str], kind: str | None
) -> None:
    here = tmp_path / "a folder" / "incoming"
    here.mkdir(parents=True)
    table = tmp_path / "mountinfo"
    lines = [
        LINE.format(
            point=point.format(here=here, above=here.parent).replace(" ", r"\040"), kind=kind_there
        )
        for point, kind_there in mounts.items()
    ]
    table.write_text("\n".join([*lines, "nonsense", ""]))
    assert remote_kind(here, table) == kind


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to("share")
    table = tmp_path / "mountinfo"
    table.write_text(LINE.format(point=tmp_path / "share", kind="nfs"))
    assert remote_kind(tmp_path / "link", table) == "nfs"


def test_a_system_without_the_list_has_local_folders(tmp_path: Path) -> None:
    assert remote_kind(tmp_path, tmp_path / "absent") is None
    assert remote_kind(tmp_path) in (None, "9p", "virtiofs")
