"""blocks and ignores every signal that can be, then loops"""

import contextlib
import signal


class IgnoresSignals:
    name = "ignores_signals"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        for number in signal.valid_signals():
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_IGN)
        while True:
            pass
