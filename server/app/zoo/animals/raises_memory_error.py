"""raises MemoryError without needing memory"""


class RaisesMemoryError:
    name = "raises_memory_error"

    def run(self, payload):
        raise MemoryError
