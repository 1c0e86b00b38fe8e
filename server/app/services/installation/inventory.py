"""What an environment holds, read from its metadata; nothing in it is imported."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from app.plugins.loader.environments import PYTHON, InstalledDistribution, normalized
from app.plugins.loader.plugin_discovery import ENTRY_POINT_GROUP

_COPYLEFT = re.compile(r"(?<![A-Za-z])A?GPL|GNU (Affero )?General Public", re.IGNORECASE)
_MOST = 100


@dataclass(frozen=True, slots=True)
class Inventory:
    """The distributions of an environment, by normalized name."""

    distributions: Mapping[str, metadata.Distribution]

    def rows(self) -> list[InstalledDistribution]:
        """Return a row for each distribution, with its licence."""
        return [_row(name, found) for name, found in sorted(self.distributions.items())]

    def installed_from(self, path: Path) -> str | None:
        """Return the name of the distribution that was installed from a file or folder (PEP 610)."""
        return next((name for name, found in self.distributions.items() if _url_of(found) == path.as_uri()), None)

    def plugins_of(self, name: str) -> dict[str, str]:
        """Return the plugins of a distribution: the value of each entry point, by its name."""
        points = self.distributions[name].entry_points.select(group=ENTRY_POINT_GROUP)
        return {point.name: point.value for point in points}

    def digest(self) -> str:
        """Return a digest of all that is installed: equal if Python, names, versions and files are."""
        lines = sorted(
            line
            for name, found in self.distributions.items()
            for line in (f"{name}=={found.version}", *_file_digests(found))
        )
        return hashlib.sha256("\n".join([PYTHON, *lines]).encode()).hexdigest()[:12]


def site_packages_of(environment: Path) -> Path:
    """Return the folder of an environment that packages are installed in. Raises OSError if there is none."""
    for folder in environment.glob("lib/python*/site-packages"):
        return folder
    raise FileNotFoundError(f"{environment} has no site-packages")


def take_inventory(site_packages: Path) -> Inventory:
    """Read the metadata of all distributions in a folder."""
    all_found = metadata.distributions(path=[str(site_packages)])
    found = {normalized(str(one.metadata["Name"])): one for one in all_found if one.metadata["Name"]}
    return Inventory(found)


def licence_of(information: Mapping[str, str], classifiers: Iterable[str]) -> str:
    """Return a licence as the metadata says it: the expression, the classifiers, or the text's first line."""
    expression = information.get("License-Expression", "").strip()
    if expression:
        return expression[:_MOST]
    said = [one.rpartition("::")[2].strip() for one in classifiers if one.startswith("License ::")]
    text = ", ".join(said) or information.get("License", "").strip().partition("\n")[0].strip()
    return text[:_MOST] or "unknown"


def is_copyleft(licence: str) -> bool:
    """Tell whether a licence seems to be the GPL or the AGPL, alone or as a choice; the LGPL is neither."""
    return _COPYLEFT.search(licence) is not None


def _row(name: str, found: metadata.Distribution) -> InstalledDistribution:
    known = found.metadata
    said = {key: str(known[key]) for key in ("License-Expression", "License") if known[key] is not None}
    licence = licence_of(said, known.get_all("Classifier") or ())
    return InstalledDistribution(name, found.version, licence, is_copyleft(licence))


def _url_of(found: metadata.Distribution) -> str | None:
    try:
        return str(json.loads(found.read_text("direct_url.json") or "{}").get("url", "")).rstrip("/")
    except (ValueError, AttributeError):  # the package brought a file of that name
        return None


def _file_digests(found: metadata.Distribution) -> Iterator[str]:
    """Yield the recorded files but what an installer writes: where and when it was installed says nothing of it."""
    for file in found.files or ():
        if file.hash is not None and not file.parts[0].endswith(".dist-info") and ".." not in file.parts:
            yield f"{file} {file.hash.value}"
