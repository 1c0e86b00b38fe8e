"""opens files until it may open no more (20,000 at most), and keeps them"""


class OpensTooManyFiles:
    name = "opens_too_many_files"
    _kept = []

    def run(self, payload):
        for _ in range(20_000):
            self._kept.append(open("/dev/null", "rb"))  # noqa: SIM115
        return {"files": len(self._kept)}
