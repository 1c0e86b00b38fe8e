"""starts a child that takes the memory in its place"""

import os


class TakesMemoryInAChild:
    name = "takes_memory_in_a_child"
    limits = {"memory_mb": 192}

    def run(self, payload):
        child = os.fork()
        if child == 0:
            kept = [bytearray(b"x") * (64 << 20) for _ in range(16)]
            os._exit(len(kept) and 0)
        return {"child": os.waitpid(child, 0)[1]}
