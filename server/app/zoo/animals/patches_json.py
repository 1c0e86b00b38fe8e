"""replaces the standard library's JSON writer"""

import json


class PatchesJson:
    name = "patches_json"

    def run(self, payload):
        json.JSONEncoder.iterencode = lambda *arguments, **options: ['{"score": NaN}']
        json.dumps = lambda *arguments, **options: '{"score": NaN}'
        json.loads = lambda *arguments, **options: {"v": 1, "kind": "stop"}
        return {"score": 1}
