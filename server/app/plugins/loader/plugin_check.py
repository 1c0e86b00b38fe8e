"""The contract check before an installation: the plugin is loaded and called as it will be, by us.

The worker that is tried is one like those that will serve, and it is judged by its answers to our calls. What it says
of itself proves nothing: all that it sends may be the plugin's invention.
"""

import signal
import uuid

from app.governance.errors import GovernedError, InputValidationError
from app.governance.validation import validate_plugin_output
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import how_it_ended
from app.plugins.sandbox.worker_process import Call, WorkerProcess
from app.plugins.sandbox.worker_start import CannotStart, start_worker
from sightgate.check import sample_png
from sightgate.manifest import Manifest

ANSWERS = ("it answers a call with a result", "it answers a second call")
REFUSES = "it refuses an image that cannot be decoded as the input's fault"
CLOSES = "it closes"
# So much of the sample is the head of an image, and no image.
BROKEN_BYTES = 40


async def check_plugin(
    spec: WorkerSpec, manifest: Manifest, confinement: Confinement, loads_within_s: float, timeout_s: float
) -> str | None:
    """Load the plugin in a worker and call it; return what does not hold, or None.

    Each call may take ``timeout_s``, as those that will come, and so may its end.
    """
    try:
        worker = await start_worker(spec, manifest, confinement, loads_within_s)
    except CannotStart as failed:
        return f"it loads: {failed.reason}"
    try:
        return await _fault_of_calls(worker, manifest, timeout_s) or await _fault_of_end(worker, timeout_s)
    finally:
        await worker.end()


async def _fault_of_calls(worker: WorkerProcess, manifest: Manifest, timeout_s: float) -> str | None:
    image = sample_png()
    for what in ANSWERS:
        try:
            validate_plugin_output(await worker.call(_call(image), timeout_s))
        except GovernedError as failed:
            return f"{what}: {failed.code}: {failed.message}"
    if manifest.options_schema is None and manifest.result_schema is None:
        return None  # a plain one need not decode
    try:
        await worker.call(_call(image[:BROKEN_BYTES]), timeout_s)
    except InputValidationError:
        return None
    except GovernedError as failed:
        return f"{REFUSES}: {failed.code}: {failed.message}"
    return None  # one that never decodes the image has nothing to refuse


async def _fault_of_end(worker: WorkerProcess, timeout_s: float) -> str | None:
    if not worker.alive:
        return f"it stays after a call: {worker.fault}"
    await worker.stop(timeout_s)
    status = await worker.end()
    if status == 0:
        return None
    if status == -signal.SIGKILL:  # by our hand
        return f"{CLOSES}: its process did not end within {timeout_s:g} s"
    last = worker.output().strip().rpartition("\n")[2]
    return f"{CLOSES}: its process ended with {how_it_ended(status)}: {last[:500]}"


def _call(image: bytes) -> Call:
    return Call(uuid.uuid4().hex, {"image": image, "mime_type": "image/png", "options": {}})
