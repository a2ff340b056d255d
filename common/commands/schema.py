"""The JSON schema of a report: ``fr schema``, ``make schema``."""

import argparse
import json

from common.domain.report_schema import report_schema
from common.runtime.console import write_json


def main() -> None:
    """Print the schema."""
    argparse.ArgumentParser(
        prog="fr schema", description="Print the JSON schema of a report."
    ).parse_args()
    write_json(json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
