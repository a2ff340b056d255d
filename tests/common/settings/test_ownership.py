"""A file that another user could change decides nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.commands import VerifySettings
from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from common.settings.ownership import check_own
from common.settings.pacs import PacsSettings

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def dot_env() -> Path:
    path = Path(".env")
    path.write_text("SEED=9\n")
    path.chmod(0o600)
    return path


def seed() -> int:
    return load_settings(PacsSettings, "fr pacs", []).seed


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_a_file_that_only_its_owner_may_write_is_read(dot_env: Path, mode: int) -> None:
    dot_env.chmod(mode)
    assert seed() == 9


@pytest.mark.parametrize("mode", [0o622, 0o620, 0o602, 0o666])
def test_dot_env_that_others_may_write_is_refused(dot_env: Path, mode: int) -> None:
    dot_env.chmod(mode)
    with pytest.raises(SettingsError, match=r"^\.env: .*chmod go-w"):
        seed()


@as_root
def test_dot_env_of_another_user_is_refused(dot_env: Path) -> None:
    os.chown(dot_env, NOBODY, NOBODY)
    with pytest.raises(SettingsError, match=r"^\.env: .*belongs to another user"):
        seed()


@as_root
def test_a_link_of_another_user_is_refused(dot_env: Path) -> None:
    dot_env.rename("own")
    dot_env.symlink_to("own")
    assert seed() == 9
    os.chown(dot_env, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(SettingsError, match="belongs to another user"):
        seed()


@as_root
def test_what_belongs_to_root_is_read_by_everybody(dot_env: Path) -> None:
    dot_env.chmod(0o644)
    code = (
        "import os, sys, pathlib\nfrom common.settings.ownership import check_own\n"
        f"os.setuid({NOBODY})\ncheck_own(pathlib.Path(sys.argv[1]), '.env')"
    )
    root = Path(__file__).parents[3]
    program = [sys.executable, "-c", code, "/etc/passwd"]
    subprocess.run(program, cwd=root, check=True, timeout=60)


@pytest.mark.parametrize("kind", [HubSettings, VerifySettings])
def test_a_mongod_that_others_may_write_is_refused(
    kind: type[HubSettings] | type[VerifySettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "mongod"
    binary.touch(mode=0o755)
    binary.chmod(0o755)
    monkeypatch.setenv("FR_MONGOD", str(binary))
    assert load_settings(kind, "fr", []).fr_mongod == binary
    binary.chmod(0o757)
    with pytest.raises(SettingsError, match=r"^FR_MONGOD: .*chmod go-w"):
        load_settings(kind, "fr", [])


def test_a_file_that_does_not_exist_is_for_its_reader_to_report() -> None:
    check_own(Path("absent"), "FR_MONGOD")
