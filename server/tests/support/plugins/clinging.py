"""A plugin that wants to outlive its server: it undoes what binds it, if it can, and never ends."""

import ctypes
import os
import threading
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


class Clinging:
    name = "clinging"
    limits = {"timeout_s": 300}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        threading.Thread(target=time.sleep, args=(300,)).start()
        Path("clinging").write_text(str(os.getpid()))
        Path("clinging").rename("clings")
        if payload["options"].get("without_main_thread"):
            while not Path("lets_go").exists():
                time.sleep(0.01)
            libc.pthread_exit(None)  # what is bound to the thread that started is gone; the other one runs on
        time.sleep(300)
        return {}
