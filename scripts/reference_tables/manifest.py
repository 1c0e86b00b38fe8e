"""What a plugin says of itself: its members, the manifest made of them, limits, permissions, and its row."""

from dataclasses import fields

from app.api.schemas import PluginAnswer
from reference_tables.markdown import code, table, words
from sightgate.manifest import PERMISSION_KINDS, Limits, Manifest
from sightgate.plugin import Plugin

_MEMBERS = {
    "name": ("text", "must be given", "The permanent name: 1 to 64 of `a-z 0-9 _ -`, first a letter or digit."),
    "version": ("text", '`""`', "The plugin's version, shown to callers."),
    "description": ("text", '`""`', "One sentence for people."),
    "limits": ("mapping", "see below", "What a call and a worker may use. Given in part, merged with the defaults."),
    "permissions": ("mapping", "none", "What it asks the operator for."),
    "requires": (
        "tuple of texts",
        "`()`",
        "Modules that must be importable; looked for at discovery without importing them.",
    ),
    "unavailable": (
        "`unavailable(config)`",
        "optional",
        "Cheap check at discovery: None, or the reason why it cannot run here.",
    ),
    "load": (
        "`load()` or `load(config)`",
        "optional",
        "Once in each worker, before the first call. Heavy imports and models go here.",
    ),
    "analyze": (
        "`analyze(image, options)`",
        "typed plugins",
        "The work of a typed plugin; its annotations make the schemas.",
    ),
    "analyze_batch": (
        "`analyze_batch(images, options)`",
        "optional, typed",
        "Several calls at once: two lists of one length in, a list of results out.",
    ),
    "run_batch": (
        "`run_batch(payloads)`",
        "optional",
        "Several calls at once, for a plain plugin: a result or an exception for each. A typed plugin inherits it.",
    ),
    "run": ("`run(payload)`", "plain plugins", "The work of a plain plugin. A typed plugin inherits it."),
    "close": ("`close()`", "optional", "When a worker ends in order. Not after a crash or a timeout."),
    "progress": (
        "`progress(done, total, message)`",
        "inherited",
        "Tells how far the call is. Call it, do not define it.",
    ),
}
_MANIFEST = {
    "name": "As declared.",
    "version": "As declared; at most 4,000 characters.",
    "description": "As declared; at most 4,000 characters.",
    "limits": "Declared limits merged with the defaults, then cut to the operator's.",
    "permissions": "As declared.",
    "options_schema": "JSON Schema 2020-12 of the options; null for an untyped plugin, whose options are not checked.",
    "result_schema": "JSON Schema 2020-12 of the result; null if untyped.",
}
_LIMITS = {
    "timeout_s": "Seconds one call may take. The worker and all it started are gone before the caller is told.",
    "memory_mb": "MiB that a worker may use. See SECURITY.md for what enforces it.",
    "scratch_mb": "MiB that a worker may keep in its scratch folder, in sum and in one file.",
    "workers": "Worker processes, which is how many calls run at once.",
    "max_batch": "Most calls that a worker is given together.",
    "batch_wait_ms": "Milliseconds that a call may wait for others, so that they are given together.",
}
_PERMISSIONS = {
    "network": "Hosts that it wants to reach.",
    "read": "Folders that it wants to read.",
    "write": "Folders that it wants to write.",
    "gpu": "Whether it wants a GPU.",
    "processes": "Whether it wants to start processes.",
}


def members() -> str:
    """What a plugin class may have."""
    optional = {"load", "unavailable", "close", "analyze_batch"}
    own = [name for name in vars(Plugin) if not name.startswith("_")] + sorted(optional)
    names = list(dict.fromkeys([*Plugin.__annotations__, *own]))
    return table(("member", "kind", "default", "meaning"), [(code(name), *words(_MEMBERS, name)) for name in names])


def manifest() -> str:
    """The fields of the manifest."""
    return table(("field", "meaning"), [(code(field.name), words(_MANIFEST, field.name)) for field in fields(Manifest)])


def limits() -> str:
    """Default and meaning of each limit."""
    rows = [(code(field.name), code(field.default), words(_LIMITS, field.name)) for field in fields(Limits)]
    return table(("limit", "default", "meaning"), rows)


def permissions() -> str:
    """The kinds of permission."""
    kinds = {list: "list of texts", bool: "true or false"}
    rows = [(code(name), kinds[kind], words(_PERMISSIONS, name)) for name, kind in PERMISSION_KINDS.items()]
    return table(("permission", "value", "what it asks for"), rows)


def plugin_row() -> str:
    """The fields of a plugin's row in ``GET /v1/plugins``."""
    return ", ".join(code(name) for name in PluginAnswer.model_fields)
