"""is a class whose attributes raise when they are looked at"""


class _Meta(type):
    @property
    def name(cls):
        raise RuntimeError("do not look")


class HasATrappedClass(metaclass=_Meta):
    def run(self, payload):
        return {"looked": True}
