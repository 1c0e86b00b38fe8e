"""defines two plugins of one name"""


class One:
    name = "two_of_one_name"

    def run(self, payload):
        return {"which": 1}


class Two:
    name = "two_of_one_name"

    def run(self, payload):
        return {"which": 2}
