"""deletes its scratch folder and all in it"""

import os
import shutil


class DeletesItsScratch:
    name = "deletes_its_scratch"

    def run(self, payload):
        # Only where it is a folder made for it: somebody may try this by hand.
        if os.getcwd() == os.environ.get("TMPDIR"):
            shutil.rmtree(os.getcwd(), ignore_errors=True)
        return {"deleted": True}
