"""Print the software bill of materials of an image: its Debian packages and Python distributions, as CycloneDX 1.6 in JSON.

`python sbom.py PRODUCT SITE_PACKAGES`, inside the image. No library is used, on purpose: those for Python leave out the packages of
Debian, which are most of what scanners look for, and would bring more distributions into the build than the image has.
`packaging` reads the markers of requirements. SOURCE_DATE_EPOCH, where set, is the time that the document tells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_FIELDS = r"${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${Maintainer}\n"
_LONGEST_LICENCE = 100
"""Longer, and somebody has put the whole text where its name belongs."""


def main(product: str, directory: str) -> None:
    """Print the document."""
    release = dict(line.rstrip().split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    listed = subprocess.run(["dpkg-query", "--show", f"--showformat={_FIELDS}"], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607
    system = debian(listed.splitlines(), {name: value.strip('"') for name, value in release.items()})
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.now(UTC).timestamp()), UTC)
    print(json.dumps(document(product, list(distributions(path=[directory])), system, moment), indent=1))


def document(product: str, found: list[Distribution], system: list[dict[str, Any]], moment: datetime) -> dict[str, Any]:
    """Return the document about a product among the distributions found, and the packages of the system."""
    components = {canonicalize_name(item.metadata["Name"]): python(item) for item in found}
    if canonicalize_name(product) not in components:
        raise SystemExit(f"sbom: {product} is not installed; name the directory of packages that it was installed into")
    names: dict[str, str] = {name: str(component["bom-ref"]) for name, component in components.items()}
    edges = [{"ref": names[canonicalize_name(item.metadata["Name"])], "dependsOn": needs(item, names)} for item in found]
    root = components.pop(canonicalize_name(product)) | {"type": "application"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "lifecycles": [{"phase": "build"}], "component": root},
        "components": sorted([*components.values(), *system], key=lambda component: str(component["bom-ref"])),
        "dependencies": sorted(edges, key=lambda edge: str(edge["ref"])),
    }


def python(item: Distribution) -> dict[str, Any]:
    """Return the component of a distribution."""
    name, metadata = canonicalize_name(item.metadata["Name"]), item.metadata
    purl = f"pkg:pypi/{name}@{quote(item.version)}"
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": item.version, "purl": purl}
    if "License-Expression" in metadata:
        return component | {"licenses": [{"expression": metadata["License-Expression"]}]}
    said = "".join(metadata.get_all("License", [])).strip()
    told = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if text.startswith("License :: ")]
    named = [said] if said and len(said) <= _LONGEST_LICENCE and "\n" not in said else told
    return component | ({"licenses": [{"license": {"name": text}} for text in named]} if named else {})


def needs(item: Distribution, refs: Mapping[str, str]) -> list[str]:
    """Return the references of what a distribution asks for and has; an extra counts where all it wants is there."""
    wanted = [Requirement(text) for text in item.requires or ()]
    chosen = {""}
    for extra in item.metadata.get_all("Provides-Extra", []):
        only = [one for one in wanted if one.marker and one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})]
        if only and all(canonicalize_name(one.name) in refs for one in only):
            chosen.add(extra)
    asked = {
        canonicalize_name(one.name) for one in wanted if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in chosen)
    }
    return sorted(refs[name] for name in asked if name in refs and refs[name] != refs.get(canonicalize_name(item.metadata["Name"])))


def debian(lines: Iterable[str], release: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the components of the installed packages, from what dpkg-query lists and os-release says."""
    found = []
    for line in lines:
        status, name, version, architecture, maintainer = line.split("\t")
        if not status.startswith("ii"):
            continue
        distro = f"{release.get('ID', 'debian')}-{release.get('VERSION_ID', 'unknown')}"
        purl = f"pkg:deb/{release.get('ID', 'debian')}/{quote(name)}@{quote(version, safe='')}?arch={architecture}&distro={distro}"
        supplier = {"name": maintainer.partition(" <")[0]}
        found.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "supplier": supplier})
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
