"""The command line: ``sightgate serve | analyze | plugins | jobs | doctor | version``."""

from app.cli.application import app, main

__all__ = ["app", "main"]
