"""A server whose jobs lie in PostgreSQL, as its operator starts it."""

from pathlib import Path

from support.postgres_server import PostgresServer
from support.running_server import make_home, running
from support.stores import PostgresPlace, execute


def test_jobs_accepted_over_http_run_and_lie_in_the_database(tmp_path: Path, postgres: PostgresServer) -> None:
    place = PostgresPlace(postgres)
    home = make_home(tmp_path, "answering", database_url=place.url)
    with running(home) as server:
        assert server.http.get("/health/ready").status_code == 200
        job_id = server.submit("echo").json()["id"]
        ended = server.ended_job(job_id)
        assert ended["status"] == "SUCCESS"
        assert server.analyze("echo").status_code == 200
        assert len(server.jobs(plugin="echo")) == 2
    assert not (home.data / "jobs.sqlite3").exists()
    assert execute(place.url, f"SELECT status FROM jobs WHERE id = '{job_id}'") == [("SUCCESS",)]
    assert execute(place.url, f"SELECT outcome FROM job_attempts WHERE job_id = '{job_id}'") == [("SUCCESS",)]
    assert place.url not in home.log.read_text()
    assert execute(place.url, "SELECT id FROM servers") == []
