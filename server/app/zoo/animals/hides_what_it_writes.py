"""writes 256 MiB into files that it deletes at once and keeps open"""

import os
import time


class HidesWhatItWrites:
    name = "hides_what_it_writes"
    limits = {"scratch_mb": 32}

    def run(self, payload):
        kept = []
        for _ in range(64):
            kept.append(open("gone", "wb"))
            kept[-1].write(b"x" * (4 << 20))
            kept[-1].flush()
            os.unlink("gone")
        time.sleep(5)
        return {"hid": len(kept)}
