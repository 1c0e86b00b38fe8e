"""Write web-ui/openapi.json, from which the page's client is made: ``python scripts/write_openapi.py [--check]``.

With ``--check`` nothing is written; exit code 1 if the file is not as the code is.
"""

import argparse
import json
import sys
from pathlib import Path

from app.main import create_app
from app.settings import Settings

PLACE = Path(__file__).resolve().parent.parent / "web-ui" / "openapi.json"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write web-ui/openapi.json from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file would change")
    only_check = parser.parse_args(arguments).check
    document = openapi_document()
    if PLACE.is_file() and PLACE.read_text(encoding="utf-8") == document:
        return 0
    if only_check:
        print("web-ui/openapi.json is not as the code is; run make openapi")
        return 1
    PLACE.write_text(document, encoding="utf-8")
    print("wrote web-ui/openapi.json; the client is made from it: cd web-ui && npm run client")
    return 0


def openapi_document() -> str:
    """Return the OpenAPI document as the file holds it."""
    return json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
