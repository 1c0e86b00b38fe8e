"""The governance audit: each invariant, what is named to prove it, and whether that was seen to hold just now.

- ``invariants``: the table of invariants, read from TOML
- ``proofs``: one piece of evidence and its verdict
- ``ran_tests``, ``scanner_rules``, ``import_contracts``: where evidence comes from
- ``record``: the pytest plugin that writes down which tests passed
- ``markdown``: the report
"""
