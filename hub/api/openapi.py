"""Writes the OpenAPI document: `python -m hub.api.openapi docs/openapi.json`."""

import json
import sys
from pathlib import Path

from hub.api.application import openapi_document


def rendered() -> str:
    """Return the document as it is kept under docs/."""
    return json.dumps(openapi_document(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(rendered(), encoding="utf-8")
