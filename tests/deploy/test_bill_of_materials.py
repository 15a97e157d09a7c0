"""The bill of materials lists what is in an image's files, once each, in CycloneDX's form."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

import pytest

from tests.deploy.conftest import TOP

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: GNU C Library
 of two lines

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.3.dfsg+really1.3.1-1+b1
"""
SITE = "opt/tms/lib/python3.13/site-packages"
FILES = {
    "./var/lib/dpkg/status": STATUS,
    f"{SITE}/ewms_tms-0.1.0.dist-info/METADATA": "Name: ewms-tms\nVersion: 0.1.0\n\ntext",
    f"./{SITE}/typing_extensions-4.15.0.dist-info/METADATA": "Name: typing_extensions\nVersion: 4.15.0\n",
    f"{SITE}/vendored/x-1.dist-info/METADATA": "Name: x\nVersion: 1\n",
}


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = SourceFileLoader("bill_of_materials", str(TOP / "deploy/bill-of-materials"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def components(program: ModuleType) -> list[dict[str, str]]:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    archive.seek(0)
    return list(program.read(archive))


def test_what_is_installed_is_found_and_nothing_else(components: list[dict[str, str]]) -> None:
    assert {component["purl"] for component in components} == {
        "pkg:deb/debian/libc6@2.41-12?arch=amd64",
        "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64",
        "pkg:pypi/ewms-tms@0.1.0",
        "pkg:pypi/typing-extensions@4.15.0",
    }


def test_the_bill_is_about_the_service_and_lists_all_else(
    program: ModuleType, components: list[dict[str, str]]
) -> None:
    bill: dict[str, Any] = program.bill(components)
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/ewms-tms@0.1.0"
    assert len(bill["components"]) == 3
    (depends,) = bill["dependencies"]
    assert depends["dependsOn"] == [component["bom-ref"] for component in bill["components"]]
    assert program.bill(components) == bill
