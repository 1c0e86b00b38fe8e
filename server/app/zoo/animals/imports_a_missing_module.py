"""imports a module that is not there"""

import a_module_that_nobody_has  # noqa: F401


class ImportsAMissingModule:
    name = "imports_a_missing_module"

    def run(self, payload):
        return {"imported": True}
