"""``python traced_cli.py STEPS ARGUMENT…``: run the CLI with these arguments, and write the steps it took as JSON."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.cli import main
from support.tracing import Trace

if __name__ == "__main__":
    with Trace() as trace:
        code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps([asdict(step) for step in trace.steps]))
    sys.exit(code)
