"""makes 60,000 empty files in its scratch folder"""

import time


class FillsItsScratchWithNames:
    name = "fills_its_scratch_with_names"

    def run(self, payload):
        for number in range(60_000):
            open(f"empty-{number}", "wb").close()
        time.sleep(10)
        return {"made": 60_000}
