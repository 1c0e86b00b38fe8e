"""Shared by the animals that forge frames: they find the socket of the worker they live in."""

import json
import os
import stat
import struct
import sys


def descriptor():
    for number in range(3, 1024):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            continue
    raise LookupError("there is no socket here")


def call_id():
    frame = sys._getframe()
    while frame is not None:
        header = frame.f_locals.get("header")
        if isinstance(header, dict) and "call" in header:
            return header["call"]
        frame = frame.f_back
    raise LookupError("there is no call here")


def frame_of(kind, call="", body=b"", **more):
    header = json.dumps({"v": 1, "kind": kind, "call": call, **more}).encode()
    return struct.pack("<II", len(header), len(body)) + header + body


def send(data):
    number, left = descriptor(), memoryview(data)
    while left:
        left = left[os.write(number, left) :]
