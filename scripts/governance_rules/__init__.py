"""The rules of the governed path, as programs that read source files and resolve names.

One analysis serves the scanner, the migration tool and the audit. It reads files only and imports nothing of what
it reads; it needs the standard library alone.

- ``findings``: the rules and what a broken one looks like
- ``sources``, ``layout``: which files are read, and which places are allowed what
- ``scopes``, ``project``: names and what binds them, within a module and across modules
- ``atoms``, ``resolver``, ``types``: what an expression can be
- ``direct_runs``, ``gate``, ``envelopes``: the rules
- ``scan``: all of them together
- ``import_contracts``: a contract type for import-linter
"""
