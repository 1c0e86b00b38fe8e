"""answers as it should: the control"""


class WellBehaved:
    name = "well_behaved"
    limits = {"timeout_s": 10, "memory_mb": 128}

    def run(self, payload):
        return {"bytes": len(payload["image"])}
