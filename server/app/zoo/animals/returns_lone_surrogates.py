"""returns text that is no valid Unicode"""


class ReturnsLoneSurrogates:
    name = "returns_lone_surrogates"

    def run(self, payload):
        return {"text": "\ud800", "\udfff": "key"}
