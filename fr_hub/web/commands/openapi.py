"""The OpenAPI document of the API: ``fr openapi``. It needs no database."""

import argparse
import json

from common.runtime.console import write_json
from fr_hub.web.app import routes_only


def main() -> None:
    """Print the document."""
    argparse.ArgumentParser(
        prog="fr openapi", description="Print the OpenAPI document of the API."
    ).parse_args()
    write_json(json.dumps(routes_only().openapi(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
