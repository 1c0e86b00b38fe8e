"""What is known of the standard library: what passes its arguments on, and what hides what it holds."""

import builtins

BUILTINS = frozenset(dir(builtins))

# What comes out of these may be anything that somebody put in, or imported by name.
_OPAQUE = (
    "asyncio.Queue",
    "asyncio.LifoQueue",
    "asyncio.PriorityQueue",
    "builtins.compile",
    "builtins.eval",
    "builtins.exec",
    "builtins.globals",
    "builtins.locals",
    "concurrent.futures",
    "contextvars.ContextVar",
    "ctypes",
    "functools.partial",
    "functools.partialmethod",
    "functools.reduce",
    "functools.singledispatch",
    "gc",
    "importlib",
    "importlib_metadata",
    "inspect",
    "marshal",
    "multiprocessing",
    "operator",
    "pickle",
    "pkg_resources",
    "pkgutil",
    "queue",
    "runpy",
    "shelve",
    "stevedore",
    "sys.modules",
    "threading.local",
    "types",
    "unittest.mock",
    "weakref",
)

_PASS_THROUGH = (
    "asyncio.shield",
    "asyncio.wait_for",
    "builtins.dict",
    "builtins.enumerate",
    "builtins.filter",
    "builtins.frozenset",
    "builtins.iter",
    "builtins.list",
    "builtins.map",
    "builtins.max",
    "builtins.min",
    "builtins.next",
    "builtins.reversed",
    "builtins.set",
    "builtins.sorted",
    "builtins.tuple",
    "builtins.vars",
    "builtins.zip",
    "collections.ChainMap",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "contextlib.aclosing",
    "contextlib.closing",
    "contextlib.nullcontext",
    "copy",
    "dataclasses.replace",
    "itertools",
    "types.MappingProxyType",
    "types.SimpleNamespace",
)

# These look at a method and do not call it.
_INSPECTION = frozenset(
    {
        "asyncio.iscoroutinefunction",
        "builtins.callable",
        "builtins.hasattr",
        "builtins.id",
        "builtins.isinstance",
        "builtins.issubclass",
        "builtins.repr",
        "builtins.type",
        "inspect.getdoc",
        "inspect.getfullargspec",
        "inspect.getmodule",
        "inspect.getsource",
        "inspect.getsourcefile",
        "inspect.getsourcelines",
        "inspect.isasyncgenfunction",
        "inspect.isawaitable",
        "inspect.iscoroutinefunction",
        "inspect.isfunction",
        "inspect.ismethod",
        "inspect.signature",
        "typing.get_type_hints",
    }
)

CONTAINER_METHODS = frozenset(
    {"copy", "get", "get_nowait", "items", "keys", "pop", "popitem", "popleft", "result", "setdefault", "values"}
)


def is_opaque(dotted: str) -> bool:
    """Whether what a library's name gives may be anything."""
    return not is_pass_through(dotted) and _among(dotted, _OPAQUE)


def is_pass_through(dotted: str) -> bool:
    """Whether a library's function gives back what it was given, or a container of it."""
    return _among(dotted, _PASS_THROUGH)


def only_looks(dotted: str) -> bool:
    """Whether a library's function only looks at a function that it is given."""
    return dotted in _INSPECTION


def _among(dotted: str, names: tuple[str, ...]) -> bool:
    return any(dotted == name or dotted.startswith(f"{name}.") for name in names)
