"""answers, and dies half a second later while nobody asks"""

import os
import threading


class DiesAfterAnswering:
    name = "dies_after_answering"

    def run(self, payload):
        threading.Timer(0.5, os._exit, [9]).start()
        return {"answered": True}
