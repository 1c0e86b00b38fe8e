"""writes a file of 8 GiB into its scratch folder (a hole, so that the disk survives where it is allowed)"""

from _attempts import reached


class FillsItsScratch:
    name = "fills_its_scratch"

    def run(self, payload):
        return reached(file=_write)


def _write():
    with open("huge", "wb") as file:
        file.truncate(8 << 30)
        file.seek(8 << 30)
        file.write(b"x")
