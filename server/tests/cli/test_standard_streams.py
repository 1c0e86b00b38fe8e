"""Where output cannot be written, or nobody wants it any more: one line or none, and never a traceback."""

import sys

import pytest
from support.running_server import SIGHTGATE


def run_in_shell(cli, where: str, *arguments: str) -> tuple[int, str, str]:
    process = cli.start(*arguments, program=("sh", "-c", f'exec "$0" "$@" {where}', SIGHTGATE))
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize(
    "arguments", [("version",), ("plugins", "list"), ("analyze", "a.png", "-p", "sizes", "--json")], ids=" ".join
)
def test_a_full_disk_beneath_the_output_is_one_line(served, arguments):
    assert run_in_shell(served, ">/dev/full", *arguments) == (1, "", "sightgate: No space left on device\n")


@pytest.mark.parametrize("where", [">&-", "<&- >&- 2>&-"])
def test_a_command_whose_output_is_closed_does_its_work(served, where):
    assert run_in_shell(served, where, "plugins", "list") == (0, "", "")


def test_an_interrupt_while_the_program_is_loaded_is_quiet(cli):
    program = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "app.cli.application":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from app.cli import main
sys.exit(main())
"""
    process = cli.start("version", program=(sys.executable, "-c", program))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
