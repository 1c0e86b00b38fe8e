"""``plugins.toml``."""

from pathlib import Path

import pytest

from app.services.operator_file import OperatorFileError, OperatorSay, read_operator_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plugins.toml"


def test_without_a_file_nothing_is_said(file: Path) -> None:
    assert read_operator_file(file) == {}


def test_every_setting_is_read(file: Path) -> None:
    file.write_text(
        """
        [objects]
        enabled = false
        interpreter = "/opt/objects/bin/python"
        warm = true
        config = { model = "a.onnx", labels = ["cat"], sizes = { width = 640 } }
        limits = { workers = 2, timeout_s = 1.5 }
        grant = { network = ["example.org"], gpu = true }

        [ocr]
        """
    )
    said = read_operator_file(file)
    assert said["ocr"] == OperatorSay()
    assert said["objects"] == OperatorSay(
        enabled=False,
        config={"model": "a.onnx", "labels": ["cat"], "sizes": {"width": 640}},
        grant={"network": ["example.org"], "gpu": True},
        limits={"workers": 2, "timeout_s": 1.5},
        interpreter="/opt/objects/bin/python",
        warm=True,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ocr", "cannot be read"),
        (f"[ocr.config]\na = {'9' * 5000}", "cannot be read"),
        (f"[ocr.limits]\nmemory_mb = {10**400}", r"\[ocr\]: limits.memory_mb must be int from"),
        (f"[ocr.retry]\nbackoff_s = {10**400}", r"\[ocr\]: backoff_s must be 0 to"),
        ("ocr = 7", r"ocr must be a table"),
        ("[ocr]\nenable = true", r"\[ocr\] has no setting 'enable'"),
        ("[ocr]\nenabled = 'yes'", "ocr.enabled must be a bool"),
        ("[ocr]\nconfig = 'a'", "ocr.config must be a dict"),
        ("[ocr]\nlimits = {workers = 0}", r"\[ocr\].*limits.workers"),
        ("[ocr]\nlimits = {speed = 1}", r"\[ocr\].*'speed'"),
        ("[ocr]\ngrant = {root = true}", r"\[ocr\].*'root'"),
        ("['Big Ocr']", "name must be"),
        ("[ocr]\nconfig = {since = 2024-01-01}", r"ocr\.config.*JSON"),
        ("[ocr]\nconfig = {a = [{b = nan}]}", r"ocr\.config.*JSON"),
    ],
)
def test_what_is_wrong_is_named_by_file_table_and_field(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(OperatorFileError, match=said) as wrong:
        read_operator_file(file)
    assert "plugins.toml" in str(wrong.value)


def test_a_file_that_is_no_text_cannot_be_read(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(OperatorFileError, match="cannot be read"):
        read_operator_file(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(OperatorFileError, match="cannot be read"):
        read_operator_file(file)
