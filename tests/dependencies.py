"""``make audit-dependencies``: known vulnerabilities of the locked packages, and their SBOM.

pip-audit exits with 0 when it could look up nothing; here each package that it skips is a failure.
"""

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

LOCK = Path("common/requirements.txt")


def pinned(lock: str) -> dict[str, str]:
    """Name and version of each package that a lock installs on this platform."""
    lines = re.findall(r"^([a-zA-Z0-9].*?)(?: \\)?$", lock, re.MULTILINE)
    found = {}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate():
            (version,) = requirement.specifier
            found[requirement.name] = version.version
    return found


def flaws(packages: dict[str, str], audited: list[dict[str, Any]]) -> list[str]:
    """A line for each package that was skipped or not looked up, and for each vulnerability."""
    lines = [f"{name}: not looked up" for name in packages.keys() - {d["name"] for d in audited}]
    for package in audited:
        name = package["name"]
        if "skip_reason" in package:
            lines.append(f"{name}: skipped: {package['skip_reason']}")
        for found in package.get("vulns", ()):
            fixed = ", ".join(found.get("fix_versions", ())) or "none"
            lines.append(f"{name} {package['version']}: {found['id']} (fixed in: {fixed})")
    return sorted(lines)


def sbom(packages: dict[str, str]) -> dict[str, Any]:
    """The packages as CycloneDX 1.5 (ECMA-424), without vulnerabilities."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "fr"}},
        "components": [
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
            }
            for name, version in sorted(packages.items())
        ],
    }


def audit() -> list[dict[str, Any]]:
    """What pip-audit says of each package of the lock.

    Raises:
        RuntimeError: it says nothing.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes"]
    ran = subprocess.run(
        [*command, "--disable-pip", "--progress-spinner", "off", "--format", "json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        dependencies: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise RuntimeError(f"pip-audit gave no answer (exit {ran.returncode})") from None
    return dependencies


def main() -> int:
    """Write the SBOM to the path given; exit code 1 on a vulnerability or a package not audited."""
    packages = pinned(LOCK.read_text())
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sbom(packages), indent=2) + "\n")
    try:
        wrong = flaws(packages, audit())
    except RuntimeError as error:
        wrong = [str(error)]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"{len(packages)} packages in {path}, {len(wrong)} findings\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
