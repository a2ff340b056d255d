"""Each process has a folder; what a killed one left is removed by the next."""

import subprocess
import sys
from pathlib import Path

from fr_hub.web.uploads.folders import InstanceFolder


def test_the_folder_is_this_users_alone_and_goes_at_the_end(tmp_path: Path) -> None:
    folder = InstanceFolder(tmp_path)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.path.parent.stat().st_mode & 0o777 == 0o700
    (folder.path / "a.nii").write_bytes(b"x")
    folder.close()
    folder.close()
    assert list(folder.path.parent.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_stays(
    tmp_path: Path,
) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; "
        "from fr_hub.web.uploads.folders import InstanceFolder; "
        "f = InstanceFolder(Path(sys.argv[1])); (f.path / 'JANE.nii').write_bytes(b'x'); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    living = InstanceFolder(tmp_path)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(living.path.parent.iterdir())) == 2
    later = InstanceFolder(tmp_path)
    assert later.sweep() == 1
    assert later.sweep() == 0
    assert set(living.path.parent.iterdir()) == {living.path, later.path}
    later.close()
    living.close()
