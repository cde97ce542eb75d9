"""The Bicep files as they are deployed: both stages, for one file of parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.infra.bicep.template import deploy
from tests.infra.files import Files
from tests.infra.site import Site
from tests.infra.values import Deployment, TemplateError

MAIN = "main.bicep"
EVENTS = "modules/events.bicep"
_HOOK = re.compile(r'(\w+)="\$(\w+)"')


def parameters(profile: str) -> dict[str, Any]:
    """What a file of parameters gives."""
    content = json.loads(Files().read(f"parameters/{profile}.json"))
    return {name: item["value"] for name, item in content["parameters"].items()}


def hook_parameters() -> dict[str, str]:
    """Which output of the first stage becomes which parameter of the second."""
    return dict(_HOOK.findall(Files().read("hooks/events.sh")))


def bicep_site(given: Mapping[str, Any], replaced: Mapping[str, str] | None = None) -> Site:
    """Evaluate both stages."""
    files = Files(replaced or {})
    main = deploy(MAIN, given, files)
    handed = {}
    for parameter, output in hook_parameters().items():
        if output not in main.outputs:
            raise TemplateError(f"the hook wants the output {output}")
        handed[parameter] = main.outputs[output]
    events = deploy(EVENTS, handed, files)
    return Site(
        Deployment(
            main.resources + events.resources,
            main.outputs,
            {**main.shown, **events.shown},
            main.unused + events.unused,
        )
    )
