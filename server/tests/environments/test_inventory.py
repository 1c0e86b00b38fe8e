"""What an environment holds, and the wheel of the SDK that is put into each."""

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest
from support.wheels import Wheel

import sightgate
from app.services.installation.inventory import is_copyleft, licence_of, take_inventory
from app.services.installation.sdk_wheel import build_sdk_wheel


@pytest.mark.parametrize(
    ("information", "classifiers", "licence"),
    [
        ({"License-Expression": "MIT OR BSD-2-Clause", "License": "x"}, ["License :: y"], "MIT OR BSD-2-Clause"),
        ({"License": "the text"}, ["License :: OSI Approved :: MIT License"], "MIT License"),
        ({"License": "\nBSD 3-Clause\n\nRedistribution and use"}, [], "BSD 3-Clause"),
        ({}, ["Programming Language :: Python"], "unknown"),
        ({"License": "x" * 5000}, [], "x" * 100),
    ],
)  # fmt: skip
def test_a_licence_is_told_as_the_metadata_says_it(information, classifiers, licence):
    assert licence_of(information, classifiers) == licence


@pytest.mark.parametrize(
    ("licence", "copyleft"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0", True),
        ("MIT OR GPL-2.0", True),
        ("GNU Affero General Public License v3", True),
        ("GNU GENERAL PUBLIC LICENSE", True),
        ("GPLv2+", True),
        ("LGPL-2.1", False),
        ("GNU Lesser General Public License v3", False),
        ("Apache-2.0", False),
        ("unknown", False),
    ],
)
def test_the_gpl_and_agpl_are_marked_and_the_lgpl_is_not(licence, copyleft):
    assert is_copyleft(licence) is copyleft


def test_the_wheel_of_the_sdk_holds_all_of_it_and_its_record_is_right(tmp_path: Path):
    with zipfile.ZipFile(build_sdk_wheel(tmp_path)) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    package = Path(sightgate.__file__).parent
    assert {f"sightgate/{path.relative_to(package)}" for path in package.rglob("*.py")} <= set(files)
    (record,) = (text.decode() for name, text in files.items() if name.endswith("/RECORD"))
    rows = [line.split(",") for line in record.splitlines()]
    assert {name for name, _, _ in rows} == set(files)
    for name, digest, size in rows:
        if digest:
            expected = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(files[name])))


def test_the_same_sdk_makes_the_same_wheel(tmp_path: Path):
    (tmp_path / "other").mkdir()
    assert build_sdk_wheel(tmp_path).read_bytes() == build_sdk_wheel(tmp_path / "other").read_bytes()


def test_metadata_that_is_broken_is_passed_over(tmp_path: Path):
    wheel = Wheel("good", "1", {"good.py": ""}, metadata="License: GPL\n").write(tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    broken = tmp_path / "site" / "nameless-1.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\n")
    (tmp_path / "site" / "good-1.dist-info" / "direct_url.json").write_text("[no json")
    inventory = take_inventory(tmp_path / "site")
    assert [(row.name, row.copyleft) for row in inventory.rows()] == [("good", True)]
    assert inventory.installed_from(wheel) is None


def test_the_digest_changes_with_what_is_installed(tmp_path: Path):
    digests = set()
    for number, version in enumerate(("1", "2", "2")):
        with zipfile.ZipFile(Wheel("good", version, {"good.py": ""}).write(tmp_path / "wheels")) as archive:
            archive.extractall(tmp_path / str(number))
        digests.add(take_inventory(tmp_path / str(number)).digest())
    assert len(digests) == 2
