"""The SDK as a wheel, made from the copy that runs here: an environment gets the one that fits this server."""

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

import sightgate

NAME = "sightgate"
_WHEEL = "Wheel-Version: 1.0\nGenerator: sightgate\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say: the same files make the same wheel


def build_sdk_wheel(folder: Path) -> Path:
    """Write the SDK's wheel into ``folder`` and return its path. Raises OSError.

    The format is PEP 427's: the package, and METADATA, WHEEL and RECORD (a digest of each file).
    """
    distribution = metadata.distribution(NAME)
    information = f"{NAME}-{distribution.version}.dist-info"
    files = _package_files()
    files[f"{information}/METADATA"] = (distribution.read_text("METADATA") or "").encode()
    files[f"{information}/WHEEL"] = _WHEEL.encode()
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{information}/RECORD"] = "\n".join([*record, f"{information}/RECORD,,", ""]).encode()
    wheel = folder / f"{NAME}-{distribution.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), content)
    return wheel


def _package_files() -> dict[str, bytes]:
    package = Path(sightgate.__file__).parent
    paths = sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{NAME}/{path.relative_to(package).as_posix()}": path.read_bytes() for path in paths}


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
