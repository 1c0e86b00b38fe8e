"""starts threads until it may start no more (4,000 at most)"""

import threading


class ThreadBomb:
    name = "thread_bomb"
    limits = {"memory_mb": 192}

    def run(self, payload):
        never = threading.Event()
        for _ in range(4_000):
            threading.Thread(target=never.wait, args=(60,), daemon=True).start()
        return {"threads": threading.active_count()}
