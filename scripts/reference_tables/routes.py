"""The HTTP routes, from the OpenAPI document."""

import tempfile
from pathlib import Path
from typing import Any

from app.main import create_app
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings
from reference_tables.markdown import code, table


def routes() -> str:
    """Method, path, what it takes, its success status and what it does."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_construct(data_dir=Path(folder), host="127.0.0.1", api_key=None)
        paths = create_app(settings, PluginRegistry()).openapi()["paths"]
    rows = [
        (code(method.upper()), code(path), _takes(operation), _success(operation), operation["summary"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    return table(("method", "path", "takes", "success", "what it does"), rows)


def _takes(operation: dict[str, Any]) -> str:
    bodies = list(operation.get("requestBody", {}).get("content", {}))
    images = [body for body in bodies if body.startswith("image/")]
    named = [code(body) for body in bodies if body not in images] + ([code("image/*")] if images else [])
    query = [code(f"?{each['name']}=") for each in operation.get("parameters", []) if each["in"] == "query"]
    return ", ".join(named + query)


def _success(operation: dict[str, Any]) -> str:
    return ", ".join(status for status in operation["responses"] if status.startswith("2"))
