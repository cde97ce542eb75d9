"""The Terraform files as they are deployed, for one file of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.infra.files import Files
from tests.infra.site import Site
from tests.infra.terraform.expressions import Expressions
from tests.infra.terraform.functions import call
from tests.infra.terraform.module import FOLDER, Module
from tests.infra.terraform.syntax import blocks
from tests.infra.values import TemplateError

FILES = Files().named(f"{FOLDER}/*.tf")


def values(profile: str) -> dict[str, Any]:
    """What a file of values gives."""
    return read_values(Files().read(f"{FOLDER}/{profile}.tfvars"))


def read_values(source: str) -> dict[str, Any]:
    """The values of a text of them."""

    def nothing(name: str) -> Any:
        raise TemplateError(f"{name} in a file of values")

    expressions = Expressions(nothing, lambda name, given: call(nothing, name, given))
    [block] = blocks("values", f"values {{\n{source}\n}}\n")
    return {name: expressions.value(node, {}) for name, node in block.attributes.items()}


def terraform_site(
    given: Mapping[str, Any], replaced: Mapping[str, str] | None = None, *, has_code: bool = True
) -> Site:
    """Evaluate the module, as it is applied once the code is deployed or before."""
    wanted = {**given, "code_deployed": has_code}
    return Site(Module(wanted, Files(replaced or {})).run())
