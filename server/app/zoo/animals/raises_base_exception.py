"""raises BaseException"""


class RaisesBaseException:
    name = "raises_base_exception"

    def run(self, payload):
        raise BaseException("not an Exception")
