"""``python -m sightgate.check``: a plugin against its own contract, without a server."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sightgate.check import main, sample_png, source_of
from sightgate.errors import SightgateError
from sightgate.image import Image
from sightgate.manifest import Source
from sightgate.testing import guess_mime_type

WritePlugin = Callable[[str, str], Source]
pytestmark = pytest.mark.usefixtures("own_imports")

GOOD = """
import sightgate

class Good(sightgate.Plugin):
    name = "good"
    def analyze(self, image: sightgate.Image, options: dict) -> dict:
        return {"width": image.pil.width, **options}

class Plain:
    name = "plain"
    def run(self, payload):
        return {"bytes": len(payload["image"])}
    def close(self): ...
"""


def test_the_command_says_that_the_contract_of_good_plugins_holds(write_plugin: WritePlugin) -> None:
    source = write_plugin("check_good", GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "sightgate.check", source.value], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "ok   good: it refuses an image that cannot be decoded as the input's fault" in done.stdout
    assert "ok   plain: it closes" in done.stdout
    assert done.stdout.endswith("the contract holds\n")


@pytest.mark.parametrize(
    ("text", "failed", "said"),
    [
        ("def broken(:\n", "it can be imported", "SyntaxError"),
        ("import a_module_that_is_nowhere\n", "it can be imported", "a_module_that_is_nowhere"),
        ("raise SystemExit(3)\n", "it can be imported", "SystemExit"),
        ("x = 1\n", "it can be imported", "no class here"),
        ("class A:\n name = 'Big A'\n def run(self, payload): ...\n", "its manifest is valid", "name must be"),
        (
            "class A:\n name = 'a'\n limits = {'workers': 0}\n def run(self, payload): ...\n",
            "its manifest is valid",
            "limits.workers",
        ),
        (
            "class A:\n name = 'a'\n requires = ('a_module_that_is_nowhere',)\n def run(self, payload): ...\n",
            "it loads",
            "a_module_that_is_nowhere",
        ),
        ("class A:\n name = 'a'\n def load(self): 1 / 0\n def run(self, payload): ...\n", "it loads", "ZeroDivision"),
        ("class A:\n name = 'a'\n def __init__(self): exit(3)\n def run(self, payload): ...\n", "it loads", "Exit"),
        (
            "class A:\n name = 'a'\n def run(self, payload): return None\n",
            "it answers a call with a result",
            "invalid_output",
        ),
        (
            "class A:\n name = 'a'\n def run(self, payload): raise SystemExit(3)\n",
            "it answers a call with a result",
            "plugin_crashed",
        ),
        (
            "class A:\n name = 'a'\n def run(self, payload): return {'a': float('nan')}\n",
            "it answers a call with a result",
            "invalid_output",
        ),
        (
            "class A:\n name = 'a'\n def run(self, payload):\n  self.b\n  return {'a': 1}\n",
            "it answers a call with a result",
            "plugin_failed",
        ),
        (
            "class A:\n name = 'a'\n def run(self, payload):\n  assert not self.__dict__\n  self.b = 1\n"
            "  return {'a': 1}\n",
            "it answers a second call",
            "plugin_failed",
        ),
        (
            "class A:\n name = 'a'\n def run(self, payload): return {'a': 1}\n def close(self): 1 / 0\n",
            "it closes",
            "ZeroDivision",
        ),
        (
            "import sightgate\nclass A(sightgate.Plugin):\n name = 'a'\n def analyze(self, image, options):\n"
            "  try:\n   return {'width': image.pil.width}\n"
            "  except sightgate.InputError:\n   raise ValueError('mine')\n",
            "it refuses an image that cannot be decoded",
            "mine",
        ),
    ],
)
def test_the_first_thing_that_does_not_hold_is_shown(
    write_plugin: WritePlugin, capsys: pytest.CaptureFixture[str], text: str, failed: str, said: str
) -> None:
    assert main([write_plugin("check_bad", text).value]) == 1
    shown = capsys.readouterr().out
    failures = [line for line in shown.splitlines() if line.startswith("FAIL")]
    assert failed in failures[0]
    assert said in shown
    assert "the contract holds" not in shown


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("os._exit(0)", "its process ended with exit code 0, after: it loads"),
        ("print('last words'), os._exit(7)", "its process ended with exit code 7, after: it loads"),
        ("os.kill(os.getpid(), 11)", "its process ended with signal SIGSEGV, after: it loads"),
        ("os.closerange(3, 256)", "its process ended with exit code 1, after: it loads"),
        ("[write(number) for number in range(3, 256)]", "it wrote where only the check writes, after: it loads"),
    ],
)
def test_a_plugin_that_ends_the_check_has_not_passed_it(
    write_plugin: WritePlugin, capfd: pytest.CaptureFixture[str], does: str, said: str
) -> None:
    text = f"""
    import os
    def write(number):
        try:
            os.write(number, b"noise\\n")
        except OSError:
            pass
    class A:
        name = "a"
        def run(self, payload):
            {does}
            return {{"n": 1}}
    """
    assert main([write_plugin("check_ended", text).value]) == 1
    shown = capfd.readouterr().out
    assert f"FAIL a: it stays until the check has ended\n     {said}\n1 fault\n" in shown
    assert ("last words" in shown) == ("last words" in does)


def test_a_plugin_that_leaves_a_process_and_a_thread_behind_does_not_hold_the_check_up(
    write_plugin: WritePlugin, capfd: pytest.CaptureFixture[str]
) -> None:
    text = """
    import os, threading, time
    class A:
        name = "a"
        def run(self, payload):
            if (left := os.fork()) == 0:
                time.sleep(600)
            print("left", left, flush=True)
            threading.Thread(target=time.sleep, args=(600,)).start()
            if "exit" in payload["options"]:
                os._exit(0)
            return {"n": 1}
    """
    source = write_plugin("check_left", text).value
    assert [main([source]), main([source, "--options", '{"exit": 1}'])] == [0, 1]
    for line in capfd.readouterr().out.splitlines():
        if line.startswith("left"):
            os.kill(int(line.split()[1]), signal.SIGKILL)


def test_a_plugin_may_close_its_output_and_is_told_of_all_the_same(
    write_plugin: WritePlugin, capfd: pytest.CaptureFixture[str]
) -> None:
    text = "import os\nclass A:\n name = 'a'\n def run(self, payload):\n  os.close(1)\n  return {'n': 1}\n"
    assert main([write_plugin("check_mute", text).value]) == 1
    shown = capfd.readouterr().out
    assert "ok   a: it answers a call with a result" in shown
    assert "FAIL a: it answers a second call\n     plugin_failed: [Errno 9] Bad file descriptor" in shown


def test_one_bad_plugin_does_not_hide_the_good_one_beside_it(
    write_plugin: WritePlugin, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD + "\nclass Bad:\n    name = 'bad'\n    def run(self, payload): raise ValueError('mine')\n"
    assert main([write_plugin("check_mixed", text).value]) == 1
    shown = capsys.readouterr().out
    assert "ok   good: it answers a call with a result" in shown
    assert "FAIL bad: it answers a call with a result" in shown
    assert shown.endswith("2 faults\n")


def test_options_configuration_and_image_are_handed_on(
    write_plugin: WritePlugin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = """
    class Choosy:
        name = "choosy"
        def load(self, config):
            self.model = config["model"]
        def run(self, payload):
            assert payload["image"] == b"GIF89a" and payload["mime_type"] == "image/gif", payload
            return {"most": payload["options"]["most"], "model": self.model}
    """
    image = tmp_path / "a.gif"
    image.write_bytes(b"GIF89a")
    source = write_plugin("check_choosy", text).value
    assert main([source]) == 1
    given = ["--image", str(image), "--options", '{"most": 3}', "--config", '{"model": "a.onnx"}']
    assert main([source, *given]) == 0, capsys.readouterr().out


def test_what_is_not_there_is_bad_usage_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([str(tmp_path / "gone.py")]) == 2
    shown = capsys.readouterr().err
    assert "gone.py is no file" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["."], ". is no package folder: it has no __init__.py"),
        (["text.txt"], "text.txt is no Python file"),
        (["good.py", "--image", "gone.png"], "gone.png cannot be read: No such file"),
        (["good.py", "--image", "."], ". cannot be read: Is a directory"),
        (["good.py", "--image", "text.txt"], "text.txt is no image"),
        (["good.py", "--options", "{"], "argument --options: this is not JSON: "),
        (["good.py", "--options", '{"most": NaN}'], "argument --options: this is not JSON: NaN"),
        (["good.py", "--options", f'{{"most": {"9" * 5000}}}'], "argument --options: this is not JSON: "),
        (["good.py", "--options", "[3]"], "argument --options: this must be a JSON object"),
        (["good.py", "--config", "3"], "argument --config: this must be a JSON object"),
        (["good.py", "--options"], "argument --options: expected one argument"),
        (["good.py", "--frob"], "unrecognized arguments: --frob"),
        ([], "the following arguments are required: PATH"),
    ],
)
def test_a_call_that_cannot_be_made_is_bad_usage_in_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    says: str,
) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "text.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    assert main(given) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"sightgate.check: {says}")
    assert shown.err.count("\n") == 1


def test_a_module_and_class_are_named_like_an_entry_point() -> None:
    assert source_of("package.module:Class") == Source("entry_point", "package.module:Class", "class")
    with pytest.raises(SightgateError):
        source_of("package.module")


def test_the_sample_image_is_a_png_that_decodes() -> None:
    image = Image(sample_png(5, 4), "image/png")
    assert guess_mime_type(image.data) == "image/png"
    assert (image.width, image.height) == (5, 4)
    assert image.pil.getpixel((0, 0)) == (0, 0, 128)
