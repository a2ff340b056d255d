"""``fr``: its table, the settings that it passes on, and its exit codes."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from common.commands import cli
from common.commands.cli import COMMANDS, SECRETS, plan, usage
from common.runtime.lifecycle import Exit
from common.settings import loading
from tests.processes import ROOT, environment

FR = Path(sys.executable).with_name("fr")


def fr(*arguments: str, folder: Path = ROOT, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run the console script, without an ``.env`` of this folder."""
    return subprocess.run(
        [FR, *arguments],
        cwd=folder,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_module_and_a_line_of_help(name: str) -> None:
    assert find_spec(COMMANDS[name].module) is not None
    assert f"  {name} " in usage()
    assert COMMANDS[name].help in usage()


def test_the_help_fits_a_terminal() -> None:
    assert max(map(len, usage().splitlines())) <= 100


def test_each_make_target_that_runs_a_command_calls_fr() -> None:
    recipes = (ROOT / "Makefile").read_text()
    for name in COMMANDS:
        assert f"\t@$(BIN)/fr {name}" in recipes


def test_the_same_settings_are_secret_on_every_command_line() -> None:
    assert {"--" + name.lower().replace("_", "-") for name in SECRETS} == loading.SECRETS


def test_the_exit_code_of_a_wrong_command_line_is_the_units() -> None:
    assert cli.USAGE == Exit.USAGE


# --- what is run ---------------------------------------------------------------------------------


def test_variables_go_to_the_environment_and_options_to_the_module() -> None:
    arguments, variables = plan("all", ["SCANS=20", "--rate", "3", "SOURCE=a=b", "KIND="])
    assert arguments == ["-m", "common.launcher.launcher", "--rate", "3"]
    assert variables == {"SCANS": "20", "SOURCE": "a=b", "KIND": ""}


def test_a_command_of_a_module_with_several_names_its_own() -> None:
    assert plan("errors", [])[0][-1] == "list"
    assert plan("failed", []) == plan("errors", [])  # its old name
    assert plan("requeue", ["ALL=1"]) == (
        ["-m", "common.commands.failed_scans", "requeue"],
        {"ALL": "1"},
    )


def test_a_variable_that_the_module_takes_as_an_argument_is_one() -> None:
    assert plan("conformance", ["NAME=volume"]) == (
        ["-m", "fr_brain.analyzers.conformance", "volume"],
        {},
    )
    assert plan("conformance", ["NAME="])[0][-1] == "fr_brain.analyzers.conformance"


def test_a_variable_that_is_no_setting_is_refused() -> None:
    with pytest.raises(cli._UsageError, match=r"^no setting SCNAS \(did you mean SCANS\?\)$"):
        plan("all", ["SCNAS=3"])
    with pytest.raises(cli._UsageError, match=r"^no setting HOSPITAL; `fr all --help` lists them$"):
        plan("all", ["HOSPITAL=x"])
    assert plan("hub", ["STRANGERS=5"])[1] == {"STRANGERS": "5"}  # its old name


@pytest.mark.parametrize(("command", "meant"), [("all", "SCANS"), ("audit", "SCAN")])
def test_a_setting_of_the_command_itself_is_meant_first(command: str, meant: str) -> None:
    with pytest.raises(cli._UsageError, match=rf"did you mean {meant}\?"):
        plan(command, ["SCANZ=3"])


def test_the_launcher_takes_its_own_setting_from_the_command_line_too() -> None:
    assert plan("all", ["WEB=0"])[1] == {"WEB": "0"}


# --- as a user runs it ---------------------------------------------------------------------------


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    ran = fr(name, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: fr {name} [-h]")
    if name not in ("schema", "openapi", "conformance"):
        assert "--log-level" in ran.stdout


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_lists_every_command(arguments: tuple[str, ...]) -> None:
    ran = fr(*arguments)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, usage() + "\n", "")


def test_the_version_is_the_projects() -> None:
    assert fr("--version").stdout == "fr 0.1.0\n"


def test_0_and_the_answer_where_all_is_well() -> None:
    ran = fr("schema")
    assert ran.returncode == Exit.OK
    assert json.loads(ran.stdout)["type"] == "object"


def test_1_where_a_check_finds_something() -> None:
    ran = fr("conformance", "NAME=tests.fr_brain.analyzers.conformance.bad_analyzers:Random")
    assert ran.returncode == Exit.FAILED, ran.stderr


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["all", "errors", "requeue", "certs"])
def test_2_and_a_line_where_a_setting_is_wrong(name: str) -> None:
    ran = fr(name, "LOG_LEVEL=loud")
    assert ran.returncode == Exit.USAGE
    assert ran.stderr.startswith(f"fr {name}: LOG_LEVEL='loud': ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["brain", "report", "conformance"])
def test_2_where_an_option_is_unknown(name: str) -> None:
    ran = fr(name, "--nonsense")
    assert ran.returncode == Exit.USAGE
    assert f"fr {name}: error: " in ran.stderr


def test_2_where_there_is_no_such_command() -> None:
    ran = fr("nonsense")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert ran.stderr == "fr: no command 'nonsense'; `fr --help` lists them\n"


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("written", [str.upper, str.lower, str.title])
def test_2_where_a_secret_is_given_and_no_word_of_it_is_printed(
    name: str, written: Callable[[str], str]
) -> None:
    ran = fr("hub", f"{written(name)}=hush-hush")
    assert ran.returncode == Exit.USAGE
    assert ran.stderr.startswith(f"fr: {name}: ")
    assert f"{name}_FILE" in ran.stderr
    assert "hush" not in ran.stderr + ran.stdout


def test_3_where_the_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = fr("pacs", f"PACS_PORT={taken.getsockname()[1]}", "SCANS=1", "KIND=grid")
    assert ran.returncode == Exit.TAKEN
    assert ran.stderr.startswith("fr pacs: ")


@pytest.mark.parametrize("name", ["hub", "errors"])
def test_4_where_mongodb_cannot_be_started(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(0o700)
    (data / "mongodb").mkdir()  # a command makes no store
    ran = fr(name, f"DATA_DIR={data}", FR_MONGOD=str(tmp_path / "none"))
    assert ran.returncode == Exit.UNUSABLE, ran.stderr
    assert ran.stderr.startswith(f"fr {name}: FR_MONGOD: ")


def test_what_the_command_line_says_comes_before_the_environment() -> None:
    ran = fr("verify", "LOG_LEVEL=loud", LOG_LEVEL="info")
    assert "LOG_LEVEL='loud'" in ran.stderr


def test_fr_imports_no_unit_and_no_command() -> None:
    code = (
        "import sys, common.commands.cli\n"
        "print(*(name for name in sys.modules if name.startswith(('common.', 'fr_'))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["common.commands", "common.commands.cli"]


def test_make_turns_each_failure_into_2_and_fr_does_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {"PACS_PORT": str(taken.getsockname()[1]), "SCANS": "1", "KIND": "grid"}
        made = subprocess.run(
            [shutil.which("make") or "make", "--silent", "fr_pacs", f"VENV={sys.prefix}"],
            cwd=ROOT,
            env={**environment(**given), "HOME": os.fspath(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert made.returncode == 2
    assert "fr pacs: " in made.stderr
    assert "Error 3" in made.stderr


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("written", [str.upper, str.lower, str.title])
def test_make_refuses_a_secret_on_its_command_line_and_prints_no_word_of_it(
    name: str, written: Callable[[str], str]
) -> None:
    for target in ("fr_hub", "help"):
        made = subprocess.run(
            ["make", target, f"{written(name)}=hush-hush", "VENV=/nowhere"],  # noqa: S607
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert made.returncode == 2
        assert f"{name}: the command line is visible to all users" in made.stderr
        assert f"{name}_FILE" in made.stderr
        assert "hush" not in made.stderr + made.stdout


def test_make_help_lists_each_target_with_a_description() -> None:
    described = re.findall(r"^([^:\s]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = subprocess.run(
        ["make", "help"],  # noqa: S607
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "evaluate-with-t1" in described
    assert re.findall(r"^  make (\S+) ", made.stdout, re.MULTILINE) == described


def test_make_takes_a_secret_from_the_environment_and_other_settings_as_ever() -> None:
    made = subprocess.run(
        ["make", "help", "SCANS=3", "MONGODB_URI_FILE=uri"],  # noqa: S607
        cwd=ROOT,
        env=environment(PACS_KEY="hush", MONGODB_URI="hush"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
