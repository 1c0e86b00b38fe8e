"""writes 256 MiB into its scratch folder, in files of 4 MiB, each of which it may"""

import time


class FillsItsScratchInParts:
    name = "fills_its_scratch_in_parts"
    limits = {"scratch_mb": 32}

    def run(self, payload):
        for number in range(64):
            with open(f"part-{number}", "wb") as file:
                file.write(b"x" * (4 << 20))
        time.sleep(5)
        return {"wrote": 64}
