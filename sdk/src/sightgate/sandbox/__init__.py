"""What a worker gives up before it imports a plugin. Linux only; elsewhere nothing is applied, and the report says so.

The server sends a `Policy`; `apply` enforces it layer by layer; `probe` then tries the forbidden things and reports
what was really denied.
"""

from sightgate.sandbox.apply import apply
from sightgate.sandbox.policy import Policy
from sightgate.sandbox.probe import probe

__all__ = ["Policy", "apply", "probe"]
