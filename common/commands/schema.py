"""The JSON schema of a report: ``make schema``."""

import json
import sys

from common.domain.report_schema import report_schema


def main() -> None:
    """Print the schema."""
    sys.stdout.write(json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
