"""A pool of real worker processes with real plugin files."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.governance.errors import (
    CallEnded,
    GovernedError,
    InputValidationError,
    OutputValidationError,
    PluginRaised,
    PluginRefused,
)
from app.governance.execution_context import ExecutionContext, set_current_execution
from app.governance.lifecycle import Availability
from app.plugins.sandbox.cgroups import Cgroups
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.pool import PoolOptions, ProcessWorkers
from sightgate.manifest import Limits, Manifest, Source

WritePlugin = Callable[[str, str], Source]
PATIENCE_S = 60

SCRIPTED = """
import os, signal, subprocess, sys, time
import sightgate

class Scripted:
    name = "scripted"
    calls = 0

    def run(self, payload):
        options = payload["options"]
        self.calls += 1
        if "begun" in options:
            open(options["begun"], "w").close()
        if "until" in options:
            while not os.path.exists(options["until"]):
                time.sleep(0.005)
        if "child" in options:
            # In a session of its own: killing the worker's process group does not reach it.
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
            with open(options["child"] + ".new", "w") as file:
                file.write(str(child.pid))
            os.rename(options["child"] + ".new", options["child"])
        if "sleep" in options:
            time.sleep(options["sleep"])
        if "signal" in options:
            os.kill(os.getpid(), options["signal"])
        if "exit" in options:
            raise SystemExit(options["exit"])
        if "hard_exit" in options:
            os._exit(options["hard_exit"])
        if "raise" in options:
            raise ValueError(options["raise"])
        if "blame" in options:
            raise sightgate.InputError(options["blame"])
        if "memory" in options:
            raise MemoryError
        if "nothing" in options:
            return None
        if "steps" in options:
            for step in range(options["steps"]):
                sightgate.progress(step + 1, options["steps"], "step")
        return {"pid": os.getpid(), "calls": self.calls, "bytes": len(payload["image"]), "options": options}
"""


def payload(image: bytes = b"image", **options: Any) -> dict[str, Any]:
    return {"image": image, "mime_type": "image/png", "options": options}


@pytest.fixture
def scripted(write_plugin: WritePlugin) -> Source:
    return write_plugin("scripted", SCRIPTED)


async def until(holds: Callable[[], object]) -> bool:
    give_up = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < give_up:
        await asyncio.sleep(0.005)
    return bool(held)


def runs(pid: int) -> bool:
    """Whether a process is there and is no corpse."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def ended(pool: ProcessWorkers, **options: Any) -> CallEnded:
    with pytest.raises(CallEnded) as raised:
        await pool.run_async(payload(**options))
    return raised.value


async def test_a_worker_is_started_at_the_first_call_and_kept(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted)
    assert (pool.worker_count, pool.capacity) == (0, 1)
    first = await pool.run_async(payload(most=3))
    second = await pool.run_async(payload(b"x" * 3_000_000))
    assert (first["calls"], second["calls"], second["bytes"]) == (1, 2, 3_000_000)
    assert pool.pids() == [first["pid"]] == [second["pid"]]
    assert first["pid"] != os.getpid()
    assert first["options"] == {"most": 3}
    assert pool.figures.started == 1


async def test_warming_up_starts_one_worker_before_any_call(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted, workers=2)
    await pool.warm_up()
    await pool.warm_up()
    (pid,) = pool.pids()
    assert (await pool.run_async(payload()))["pid"] == pid


async def test_calls_run_beside_each_other_on_as_many_workers_as_allowed(
    pools: Any, scripted: Source, tmp_path: Path
) -> None:
    pool = pools.make(scripted, workers=2)
    go = tmp_path / "go"
    marks = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    calls = [asyncio.create_task(pool.run_async(payload(begun=str(mark), until=str(go)))) for mark in marks]
    assert await until(lambda: sum(mark.exists() for mark in marks) == 2)
    assert pool.worker_count == 2
    go.touch()
    answers = await asyncio.gather(*calls)
    assert len({answer["pid"] for answer in answers}) == 2
    assert pool.worker_count == 2


async def test_waiting_callers_get_the_worker_in_their_order(pools: Any, scripted: Source, tmp_path: Path) -> None:
    pool = pools.make(scripted)
    await pool.warm_up()
    go, order = tmp_path / "go", []
    blocker = asyncio.create_task(pool.run_async(payload(until=str(go))))

    async def wait_for_turn(number: int) -> None:
        order.append((number, (await pool.run_async(payload()))["calls"]))

    waiters = []
    for number in range(6):
        waiters.append(asyncio.create_task(wait_for_turn(number)))
        await asyncio.sleep(0)
    go.touch()
    await asyncio.gather(blocker, *waiters)
    assert order == [(number, number + 2) for number in range(6)]


async def test_a_waiter_that_leaves_does_not_keep_the_worker_from_the_next(
    pools: Any, scripted: Source, tmp_path: Path
) -> None:
    pool = pools.make(scripted)
    go = tmp_path / "go"
    blocker = asyncio.create_task(pool.run_async(payload(until=str(go))))
    assert await until(lambda: pool.worker_count == 1)
    leaver, stayer = (asyncio.create_task(pool.run_async(payload())) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    go.touch()
    assert (await stayer)["calls"] == 2
    await blocker
    assert leaver.cancelled()


async def test_a_caller_waits_no_longer_than_allowed(pools: Any, scripted: Source, tmp_path: Path) -> None:
    pool = pools.make(scripted, max_wait_s=0.05)
    go = tmp_path / "go"
    blocker = asyncio.create_task(pool.run_async(payload(until=str(go))))
    assert await until(lambda: pool.worker_count == 1)
    with pytest.raises(PluginRefused) as refused:
        await pool.run_async(payload())
    assert (refused.value.code, refused.value.details) == ("overloaded", {"limit_s": 0.05})
    go.touch()
    assert (await blocker)["calls"] == 1
    assert (await pool.run_async(payload()))["calls"] == 2


@pytest.mark.parametrize(
    ("options", "details"),
    [
        ({"signal": 11}, {"signal": "SIGSEGV"}),
        ({"signal": 9}, {"signal": "SIGKILL"}),
        ({"exit": 3}, {"exit_code": 3}),
        ({"exit": "bye"}, {"exit_code": 1}),
        ({"hard_exit": 0}, {"exit_code": 0}),
        ({"hard_exit": 77}, {"exit_code": 77}),
    ],
)
async def test_a_crash_is_told_with_its_signal_or_code_and_the_worker_is_replaced(
    pools: Any, scripted: Source, options: dict[str, Any], details: dict[str, Any]
) -> None:
    pool = pools.make(scripted)
    before = (await pool.run_async(payload()))["pid"]
    crash = await ended(pool, **options)
    assert (crash.code, crash.details) == ("plugin_crashed", details)
    assert not runs(before)
    after = await pool.run_async(payload())
    assert (after["calls"], after["pid"] != before) == (1, True)
    assert (pool.figures.started, pool.figures.ended_in_call) == (2, 1)


async def test_a_crash_does_not_disturb_the_neighbour(pools: Any, scripted: Source, tmp_path: Path) -> None:
    pool = pools.make(scripted, workers=2)
    go, begun = tmp_path / "go", tmp_path / "begun"
    neighbour = asyncio.create_task(pool.run_async(payload(begun=str(begun), until=str(go))))
    assert await until(begun.exists)
    assert (await ended(pool, hard_exit=1)).code == "plugin_crashed"
    go.touch()
    assert (await neighbour)["calls"] == 1


async def test_a_crash_lets_a_waiting_caller_have_a_new_worker(pools: Any, scripted: Source, tmp_path: Path) -> None:
    pool = pools.make(scripted)
    go = tmp_path / "go"
    crashing = asyncio.create_task(ended(pool, until=str(go), hard_exit=1))
    assert await until(lambda: pool.worker_count == 1)
    waiting = asyncio.create_task(pool.run_async(payload()))
    await asyncio.sleep(0)
    go.touch()
    await crashing
    assert (await waiting)["calls"] == 1


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"raise": "not today"}, PluginRaised, "plugin_failed"),
        ({"blame": "bad option"}, InputValidationError, "invalid_options"),
        ({"nothing": True}, OutputValidationError, "invalid_output"),
    ],
)
async def test_a_failure_that_leaves_the_worker_sound_keeps_it(
    pools: Any, scripted: Source, options: dict[str, Any], error: type[GovernedError], code: str
) -> None:
    pool = pools.make(scripted)
    with pytest.raises(error) as raised:
        await pool.run_async(payload(**options))
    assert raised.value.code == code
    assert (await pool.run_async(payload()))["calls"] == 2


async def test_a_worker_that_ran_out_of_memory_is_replaced(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted)
    assert (await ended(pool, memory=True)).code == "plugin_out_of_memory"
    assert (await pool.run_async(payload()))["calls"] == 1


async def test_a_worker_that_needs_more_memory_than_allowed_is_ended(pools: Any, write_plugin: WritePlugin) -> None:
    text = """
    class Eater:
        name = "eater"
        def run(self, payload):
            held = []
            while True:
                held.append(bytes(8 * 1024 * 1024))
                held[-1] = bytearray(held[-1])
    """
    manifest = Manifest("eater")
    pool = pools.make(write_plugin("eater", text), manifest=manifest, memory_mb=64, timeout_s=PATIENCE_S)
    assert (await ended(pool)).code == "plugin_out_of_memory"


HEADLESS = """
import ctypes, mmap, os, platform, signal, threading, time

C = ctypes.CDLL(None)


def grow():
    held = []
    for _ in range(64):  # shared pages: no data limit counts them
        held.append(mmap.mmap(-1, 8 << 20))
        held[-1].write(bytes(8 << 20))
    time.sleep(600)


def end_main_thread(later):
    while not os.path.exists(later):
        time.sleep(0.005)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    time.sleep(600)


class Headless:
    name = "headless"

    def run(self, payload):
        later = payload["options"].get("later")
        if later is None:
            threading.Thread(target=grow).start()
            C.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
        C.signal(signal.SIGUSR1, ctypes.cast(C.pthread_exit, ctypes.c_void_p))
        threading.Thread(target=end_main_thread, args=(later,)).start()
        return {"pid": os.getpid()}
"""


@pytest.mark.parametrize("in_a_group", [False, True])
async def test_a_worker_whose_main_thread_alone_has_ended_is_ended(
    pools: Any, write_plugin: WritePlugin, in_a_group: bool
) -> None:
    groups = Cgroups.detect() if in_a_group else None
    if in_a_group and groups is None:
        pytest.skip("this server may make no control groups")
    pool = pools.make(write_plugin("headless", HEADLESS), cgroups=groups, memory_mb=128, timeout_s=PATIENCE_S)
    await pool.warm_up()
    (pid,) = pool.pids()
    end = await ended(pool)
    assert (end.code, end.details.get("cause")) in [("plugin_crashed", "main_thread"), ("plugin_out_of_memory", None)]
    assert not runs(pid)


async def test_a_worker_whose_main_thread_ends_between_calls_is_replaced(
    pools: Any, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    pool, later = pools.make(write_plugin("headless", HEADLESS)), tmp_path / "later"
    pid = (await pool.run_async(payload(later=str(later))))["pid"]
    later.touch()
    assert await until(lambda: pool.worker_count == 0 and not runs(pid))
    assert pool.figures.ended_idle == 1
    assert (await pool.run_async(payload(later=str(tmp_path / "never"))))["pid"] != pid


async def test_after_a_timeout_nothing_of_the_call_is_left(pools: Any, scripted: Source, tmp_path: Path) -> None:
    child = tmp_path / "child"
    pool = pools.make(scripted, timeout_s=4.0)
    worker_pid = (await pool.run_async(payload()))["pid"]
    late = await ended(pool, child=str(child), sleep=600)
    assert (late.code, late.details) == ("plugin_timeout", {"limit_s": 4.0})
    assert not runs(worker_pid)
    child_pid = int(child.read_text())
    assert await until(lambda: not runs(child_pid))
    assert (await pool.run_async(payload()))["calls"] == 1


async def test_a_caller_that_leaves_ends_its_worker_and_the_children(
    pools: Any, scripted: Source, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    pool = pools.make(scripted)
    call = asyncio.create_task(pool.run_async(payload(child=str(child), sleep=600)))
    assert await until(child.exists)
    (worker_pid,) = pool.pids()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not runs(worker_pid)
    assert await until(lambda: not runs(int(child.read_text())))
    assert (await pool.run_async(payload()))["calls"] == 1


async def test_killing_a_call_by_its_id_ends_that_call_only(pools: Any, scripted: Source, tmp_path: Path) -> None:
    pool = pools.make(scripted, workers=2)
    go = tmp_path / "go"

    async def call(call_id: str) -> Any:
        set_current_execution(ExecutionContext(call_id))
        return await pool.run_async(payload(begun=str(tmp_path / call_id), until=str(go)))

    first, second = asyncio.create_task(call("c1")), asyncio.create_task(call("c2"))
    assert await until(lambda: (tmp_path / "c1").exists() and (tmp_path / "c2").exists())
    assert await pool.kill("c3") is False
    assert await pool.kill("c1") is True
    with pytest.raises(CallEnded) as cancelled:
        await first
    assert cancelled.value.code == "cancelled"
    go.touch()
    assert (await second)["calls"] == 1
    assert await pool.kill("c2") is False


async def test_a_deadline_nearer_than_the_time_limit_ends_the_call(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted, timeout_s=600)
    await pool.warm_up()
    set_current_execution(ExecutionContext("c1", deadline=asyncio.get_running_loop().time() + 0.05))
    late = await ended(pool, sleep=600)
    assert late.code in ("deadline_exceeded", "plugin_timeout")


async def test_progress_goes_to_the_calls_own_sink(pools: Any, scripted: Source) -> None:
    seen: list[tuple[float, float, str]] = []
    pool = pools.make(scripted)
    set_current_execution(
        ExecutionContext("c1", progress=lambda _, done, total, said: seen.append((done, total, said)))
    )
    await pool.run_async(payload(steps=5))
    assert seen[-1] == (5.0, 5.0, "step")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


async def test_an_idle_worker_ends_after_its_time_and_a_new_one_is_started(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted, idle_s=0.05)
    first = (await pool.run_async(payload()))["pid"]
    assert await until(lambda: pool.worker_count == 0)
    assert await until(lambda: not runs(first))
    assert (await pool.run_async(payload()))["pid"] != first


async def test_an_idle_worker_that_ended_by_itself_is_replaced(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted)
    first = (await pool.run_async(payload()))["pid"]
    os.kill(first, 9)
    assert await until(lambda: pool.worker_count == 0)  # the end of its connection is noticed
    assert (await pool.run_async(payload()))["pid"] != first


async def test_a_retired_pool_finishes_its_calls_and_keeps_no_worker(
    pools: Any, scripted: Source, tmp_path: Path
) -> None:
    pool = pools.make(scripted, workers=2)
    go, begun = tmp_path / "go", tmp_path / "begun"
    idle = (await pool.run_async(payload()))["pid"]
    calls = [asyncio.create_task(pool.run_async(payload(begun=str(begun), until=str(go)))) for _ in range(2)]
    assert await until(lambda: begun.exists() and pool.worker_count == 2)
    retiring = asyncio.create_task(pool.retire())
    go.touch()
    answers = await asyncio.gather(*calls)
    await retiring
    assert idle in {answer["pid"] for answer in answers}
    assert await until(lambda: pool.worker_count == 0)
    assert await until(lambda: not any(runs(answer["pid"]) for answer in answers))


async def test_a_closed_pool_has_ended_everything_and_refuses(pools: Any, scripted: Source, tmp_path: Path) -> None:
    pool = pools.make(scripted)
    begun = tmp_path / "begun"
    busy = asyncio.create_task(pool.run_async(payload(begun=str(begun), sleep=600)))
    assert await until(begun.exists)
    waiting = asyncio.create_task(pool.run_async(payload()))
    await asyncio.sleep(0)
    pids = pool.pids()
    await pool.close()
    assert not any(runs(pid) for pid in pids)
    ends = await asyncio.gather(busy, waiting, return_exceptions=True)
    assert isinstance(ends[0], CallEnded)
    assert isinstance(ends[1], PluginRefused)
    with pytest.raises(PluginRefused) as refused:
        await pool.run_async(payload())
    assert refused.value.code == "plugin_unavailable"


async def test_workers_that_ended_leave_no_scratch_folder(
    pools: Any, scripted: Source, confinement: Confinement
) -> None:
    pool = pools.make(scripted)
    await pool.run_async(payload())
    assert list(confinement.scratch_root.glob("worker-*"))
    await ended(pool, hard_exit=1)
    await pool.close()
    # Nobody waits for all of a removal, so it may come a moment later.
    assert await until(lambda: not list(confinement.scratch_root.glob("worker-*")))


@pytest.mark.parametrize(
    ("load", "availability", "said"),
    [
        ("raise ValueError('broken model')", Availability.FAILED, "ValueError: broken model"),
        ("raise sightgate.Unavailable('put the model there')", Availability.UNAVAILABLE, "put the model there"),
        ("import a_module_that_is_nowhere", Availability.UNAVAILABLE, "a_module_that_is_nowhere"),
        ("raise SystemExit(5)", Availability.FAILED, "exit code 5"),
        ("import os; os.kill(os.getpid(), 9)", Availability.FAILED, "SIGKILL"),
        ("import time; time.sleep(600)", Availability.FAILED, "not ready within 2 s"),
    ],
)
async def test_a_worker_that_does_not_start_is_refused_with_the_reason(
    pools: Any, write_plugin: WritePlugin, load: str, availability: Availability, said: str
) -> None:
    text = f"""
    import sightgate
    class Unloadable:
        name = "unloadable"
        def load(self):
            {load}
        def run(self, payload): ...
    """
    pool = pools.make(write_plugin("unloadable", text), start_timeout_s=2 if "sleep" in load else PATIENCE_S)
    for _ in range(2):
        with pytest.raises(PluginRefused, match=said) as refused:
            await pool.run_async(payload())
        assert refused.value.code == "plugin_unavailable"
        if "sleep" in load:
            break
    assert pools.said[0][0] is availability
    assert said in pools.said[0][1]
    assert pool.worker_count == 0


async def test_a_start_that_fails_lets_the_next_waiter_try(pools: Any, write_plugin: WritePlugin) -> None:
    text = """
    class Unloadable:
        name = "unloadable"
        def load(self):
            raise ValueError("broken")
        def run(self, payload): ...
    """
    pool = pools.make(write_plugin("unloadable", text))
    ends = await asyncio.gather(*(pool.run_async(payload()) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [PluginRefused] * 3
    assert all("broken" in str(end) for end in ends)


async def test_a_plugin_that_has_changed_since_it_was_discovered_is_failed(pools: Any, scripted: Source) -> None:
    pool = pools.make(scripted, manifest=Manifest("scripted", version="1.0"))
    with pytest.raises(PluginRefused, match="reload the plugin"):
        await pool.run_async(payload())
    assert [availability for availability, _ in pools.said] == [Availability.FAILED]


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 0.03, 0.1])
async def test_a_caller_that_leaves_while_a_worker_is_started_leaves_nothing_behind(
    pools: Any, scripted: Source, confinement: Confinement, after_s: float
) -> None:
    pool = pools.make(scripted)
    await pool.run_async(payload())  # whatever is opened once, is
    await pool.retire()
    before = descriptors()
    for _ in range(4):
        call = asyncio.create_task(pools.make(scripted).run_async(payload(sleep=60)))
        await asyncio.sleep(after_s)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert await until(lambda: not list(confinement.scratch_root.glob("worker-*")))
    assert await until(lambda: descriptors() <= before)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_source_that_is_gone_is_a_reason(pools: Any, scripted: Source) -> None:
    Path(scripted.value).unlink()
    with pytest.raises(PluginRefused, match="is not there any more"):
        await pools.make(scripted).run_async(payload())


async def test_waiting_on_the_loops_own_thread_raises_instead_of_hanging(pools: Any, scripted: Source) -> None:
    with pytest.raises(RuntimeError, match="own thread"):
        pools.make(scripted).run(payload())


def test_plain_callers_on_many_threads_share_a_pool_without_a_loop_of_their_own(
    scripted: Source, confinement: Confinement
) -> None:
    home = HomeLoop()
    limits = Limits(workers=2)
    spec, manifest = WorkerSpec(scripted, "scripted"), Manifest("scripted")
    options = PoolOptions(confinement, max_wait_s=PATIENCE_S)
    pool = ProcessWorkers(spec, manifest, limits, home, options, lambda availability, reason: None)
    try:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda number: pool.run(payload(number=number)), range(12)))
        assert [answer["options"]["number"] for answer in answers] == list(range(12))
        assert len({answer["pid"] for answer in answers}) <= 2
    finally:
        home.run(pool.close())
        home.close()


async def test_the_workers_environment_holds_nothing_of_the_servers(
    pools: Any, write_plugin: WritePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTGATE_API_KEY", "a very secret key")
    text = """
    import os
    class Env:
        name = "env"
        def run(self, payload):
            return {"env": dict(os.environ), "cwd": os.getcwd()}
    """
    seen = await pools.make(write_plugin("env", text)).run_async(payload())
    assert "a very secret key" not in seen["env"].values()
    assert seen["env"]["HOME"] == seen["env"]["TMPDIR"] == seen["cwd"]
    assert set(seen["env"]) <= {
        "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PATH", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "SIGHTGATE_WORKER",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "CUDA_VISIBLE_DEVICES",
        "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_",
    }  # fmt: skip


async def test_memory_is_kept_for_the_next_call_and_given_back_by_a_worker_that_rests(
    pools: Any, write_plugin: WritePlugin
) -> None:
    text = """
    import resource
    class Arrays:
        name = "arrays"
        def run(self, payload):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            blocks = [bytearray(4 << 20) for _ in range(8)]
            for block in blocks:
                block[::4096] = b"x" * 1024
            del blocks, block
            with open("/proc/self/statm") as told:
                pages = int(told.read().split()[1])
            return {"faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, "pages": pages}
    """
    pool = pools.make(write_plugin("arrays", text))
    first = await pool.run_async(payload())
    again = await pool.run_async(payload())
    assert first["faults"] > 4 * 1024
    assert again["faults"] < 1024, "the kernel gave it the same memory anew"
    (pid,) = pool.pids()
    assert await until(lambda: _pages(pid) < again["pages"] - 4 * 1024)
    assert (await pool.run_async(payload()))["pages"] >= again["pages"] - 1024


def _pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


async def test_a_plugin_that_floods_its_output_is_not_held_up(pools: Any, write_plugin: WritePlugin) -> None:
    text = """
    import os, sys
    class Loud:
        name = "loud"
        def run(self, payload):
            for _ in range(64):
                os.write(1, b"x" * 65536)
                sys.stderr.write("y" * 1000)
            return {"ok": True}
    """
    pool = pools.make(write_plugin("loud", text))
    for _ in range(3):
        assert await pool.run_async(payload()) == {"ok": True}
