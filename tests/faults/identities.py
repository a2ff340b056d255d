"""How the units of a world prove who they are."""

from pathlib import Path

from common.commands.certificates import Authority
from tests.faults.schedule import Security


def identities(security: Security, folder: Path, *names: str) -> dict[str, dict[str, str]]:
    """For each unit the settings by which it proves that it is the one of this name."""
    if security is Security.SECRET:
        return {name: {"SHARED_SECRET": f"of this world: {folder}"} for name in names}
    if security is Security.NONE:  # the secret of all units that tests start, see tests.processes
        return {name: {} for name in names}
    authority = Authority(folder)
    for name in names:
        authority.issue(name, 30)
    return {
        name: {
            "TLS_CERT": str(folder / f"{name}.pem"),
            "TLS_KEY": str(folder / f"{name}.key"),
            "TLS_CA": str(folder / "ca.pem"),
            "SHARED_SECRET": "",
        }
        for name in names
    }
