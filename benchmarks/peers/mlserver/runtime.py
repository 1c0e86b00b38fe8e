"""MLServer: a runtime of its own, loaded for each function, in two inference workers."""

import base64
from typing import Annotated

from fastapi import Body
from mlserver import MLModel
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.peers.functions import analyze


class Analyze(MLModel):
    """The model's name is the function's."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        image = base64.b64decode(payload.inputs[0].data[0])
        result = analyze(self.name, image)
        output = ResponseOutput(name="result", shape=[1], datatype="BYTES", data=[result])
        return InferenceResponse(model_name=self.name, outputs=[output])


class AnalyzeNull(Analyze):
    @custom_handler(rest_path="/raw/null")
    async def raw(self, image: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict:
        return analyze("null", image)


class AnalyzeStats(Analyze):
    @custom_handler(rest_path="/raw/stats")
    async def raw(self, image: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict:
        return analyze("stats", image)
