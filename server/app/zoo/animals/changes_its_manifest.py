"""describes itself in another way each time"""

import os


class ChangesItsManifest:
    name = "changes_its_manifest"
    version = str(os.getpid())

    def run(self, payload):
        return {"version": self.version}
