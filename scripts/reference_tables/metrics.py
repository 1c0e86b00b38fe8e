"""The metrics, as a server that has run a plugin shows them."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from app import wiring
from app.observability.logs import configure_logs
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings
from reference_tables.markdown import code, table
from sightgate.check import sample_png

PLUGIN = """
class Sizes:
    name = "sizes"

    def run(self, payload):
        return {"bytes": len(payload["image"])}
"""


def metrics() -> str:
    """Name, kind, labels and meaning of each."""
    rows = [
        (code(_shown(family)), family.type, ", ".join(map(code, _labels(family))), family.documentation)
        for family in _families(asyncio.run(_rendered()))
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)


async def _rendered() -> str:
    configure_logs("json", "error")
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(folder, "plugins")
        plugins.mkdir()
        (plugins / "sizes.py").write_text(PLUGIN)
        settings = Settings(data_dir=Path(folder, "data"), plugins_dir=plugins, installed_plugins=False)
        gate = wiring.build(settings, PluginRegistry())
        await gate.start()
        try:
            payload = {"image": sample_png(8, 8), "mime_type": "image/png", "options": {}}
            for name in ("sizes", "unknown"):
                await gate.analysis_execution.analyze_async(name, payload)
            gate.metrics.fetched(None)
            gate.metrics.called_webhook("delivered")
            gate.metrics.attempted("sizes", "SUCCESS")
            gate.metrics.job_ended("sizes", "SUCCESS", 1.0)
            return (await gate.metrics.render_all()).decode()
        finally:
            await gate.stop()


def _families(rendered: str) -> Iterator[Metric]:
    for family in text_string_to_metric_families(rendered):
        if not family.name.endswith("_created"):  # the library's own: when each counter began
            yield family


def _shown(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> list[str]:
    return sorted({label for sample in family.samples for label in sample.labels} - {"le"})
