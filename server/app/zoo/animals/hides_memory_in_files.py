"""takes memory as files that exist in memory only, which are nobody's pages"""

import os


class HidesMemoryInFiles:
    name = "hides_memory_in_files"
    limits = {"memory_mb": 192}

    def run(self, payload):
        for number in range(24):
            descriptor = os.memfd_create(f"hidden-{number}")
            for _ in range(64):
                os.write(descriptor, bytes(1 << 20))
        return {"mib": 64 * 24}
