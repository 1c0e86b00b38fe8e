import threading
import time
import uuid

from app.storage.job_ids import new_job_id


def test_an_id_is_a_uuid_of_version_7_that_holds_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_job_id())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_sort_as_they_were_made() -> None:
    made = [new_job_id() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert all(len(one) == 32 for one in made)


def test_ids_of_many_threads_differ() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def work(into: list[str]) -> None:
        into.extend(new_job_id() for _ in range(5_000))

    threads = [threading.Thread(target=work, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for into in made for one in into}) == 20_000
    assert all(into == sorted(into) for into in made)
