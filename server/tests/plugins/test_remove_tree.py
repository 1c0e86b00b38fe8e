import os
from pathlib import Path

from app.plugins.sandbox.remove_tree import remove_tree


def test_a_folder_deeper_than_any_recursion_is_removed(tmp_path: Path) -> None:
    folder, here = tmp_path / "deep", Path.cwd()
    folder.mkdir()
    try:
        os.chdir(folder)
        for _ in range(1_500):
            Path("file").touch()
            Path("inner").mkdir()
            os.chdir("inner")
    finally:
        os.chdir(here)
    remove_tree(folder)
    assert not folder.exists()


def test_locked_folders_and_names_that_are_no_text_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    (folder / "inner" / "innermost").mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe")).touch()
    (folder / "inner").chmod(0)
    remove_tree(folder)
    assert not folder.exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(kept)
    remove_tree(folder)
    assert (kept / "file").exists()
    assert not folder.exists()


def test_a_link_in_the_folders_own_place_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "link").symlink_to(kept)
    remove_tree(tmp_path / "link")
    assert kept.exists()


def test_a_folder_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nowhere")
