"""closes every file and socket of its process"""

import os


class ClosesAllDescriptors:
    name = "closes_all_descriptors"

    def run(self, payload):
        os.closerange(0, 4096)
        return {"closed": True}
