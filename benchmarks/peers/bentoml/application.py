"""BentoML: one service, two worker processes. Images arrive as base64 in JSON, or as the body itself."""

import base64

import bentoml

from benchmarks.peers.functions import analyze


@bentoml.service(workers=2)
class Analyze:
    @bentoml.api
    def null_json(self, image: str) -> dict:
        return analyze("null", base64.b64decode(image))

    @bentoml.api
    def stats_json(self, image: str) -> dict:
        return analyze("stats", base64.b64decode(image))

    @bentoml.api
    def null_raw(self, image: bytes, /) -> dict:
        return analyze("null", image)

    @bentoml.api
    def stats_raw(self, image: bytes, /) -> dict:
        return analyze("stats", image)
