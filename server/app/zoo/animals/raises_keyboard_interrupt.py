"""raises KeyboardInterrupt"""


class RaisesKeyboardInterrupt:
    name = "raises_keyboard_interrupt"

    def run(self, payload):
        raise KeyboardInterrupt
