"""Inputs and large results in an S3-compatible store, and in a folder that is not the data folder's."""

from pathlib import Path

import pytest
from support.images import PNG
from support.running_server import Home, make_home, running
from support.s3_server import BUCKET, CREDENTIALS, s3_server


def _run_a_job(home: Home) -> None:
    with running(home) as server:
        job_id = server.submit("echo").json()["id"]
        assert server.ended_job(job_id)["result"]["bytes"] == len(PNG)
    with running(home) as server:  # what lies elsewhere is there after a restart
        kept = server.http.get(f"/v1/jobs/{job_id}/input")
        assert (kept.status_code, kept.content) == (200, PNG)
        assert server.http.get(f"/v1/jobs/{job_id}").json()["result"]["bytes"] == len(PNG)
    assert not (home.data / "blobs").exists()


def test_a_bucket_holds_inputs_and_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as s3:
        _run_a_job(make_home(tmp_path, "answering", blob_url=s3.url("sightgate"), large_result_bytes=0))


def test_another_folder_holds_inputs_and_results(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    _run_a_job(make_home(tmp_path / "home", "answering", blob_url=elsewhere, large_result_bytes=0))
    assert len(list((elsewhere / "named").iterdir())) == 2


def test_a_bucket_that_cannot_be_reached_is_told_as_the_storages_failure(tmp_path: Path) -> None:
    url = f"s3://{BUCKET}?endpoint=http://127.0.0.1:1"
    with running(make_home(tmp_path, "answering", blob_url=url)) as server:
        assert server.submit("echo").status_code == 503
        assert server.analyze("echo").status_code == 200


def test_a_url_that_is_none_stops_the_start(tmp_path: Path) -> None:
    home = make_home(tmp_path, "answering", blob_url="s3://key:secret@bucket")
    process = home.launch()
    assert process.wait(60) != 0
    assert "s3://BUCKET/PREFIX" in home.log.read_text()
    assert "secret" not in home.log.read_text()
    assert "Traceback" not in home.log.read_text()
