"""The page on which one picks who to be: a name, a role, all instances or one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

DEFAULT_NAME = "ana@contoso.example"


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role of the application, as its registration has it."""

    value: str
    text: str


def read_roles(registration: Path) -> tuple[AppRole, ...]:
    """Read the roles of an application's registration, a JSON file with a list `roles`."""
    document = json.loads(registration.read_bytes())
    return tuple(AppRole(role["value"], role["text"]) for role in document["roles"])


STYLE = """
:root{color-scheme:light dark;--page:#f5f5f5;--card:#fff;--line:#d6d6d6;--text:#242424;
--soft:#575757;--brand:#0f6cbd;--on:#fff;--pick:#ebf3fc}
@media(prefers-color-scheme:dark){:root{--page:#1a1a1a;--card:#292929;--line:#525252;--text:#fff;
--soft:#c7c7c7;--brand:#62abf5;--on:#111;--pick:#1f3247}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;background:var(--page);
color:var(--text);font:14px/20px 'Segoe UI Variable','Segoe UI',system-ui,sans-serif}
main{width:min(440px,100%);background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:28px}
h1{font-size:24px;line-height:32px;margin:0 0 4px;font-weight:600}
p{margin:0 0 20px;color:var(--soft)}
fieldset{border:0;margin:0 0 16px;padding:0;min-width:0}
legend,.name{font-weight:600;padding:0;margin:0 0 6px;display:block}
input[type=text],select{width:100%;height:36px;border:1px solid var(--line);border-radius:4px;
padding:0 10px;font:inherit;color:inherit;background:var(--card);margin-bottom:16px}
.role{display:grid;grid-template-columns:auto 1fr;gap:0 10px;align-items:center;padding:7px 10px;
border-radius:6px;cursor:pointer}
.role:hover,.role:has(:checked){background:var(--pick)}
.role small{grid-column:2;font-size:12px;line-height:16px;color:var(--soft)}
.role input{accent-color:var(--brand);margin:0;width:16px;height:16px}
button{width:100%;height:36px;border:0;border-radius:4px;font:inherit;font-weight:600;cursor:pointer;
background:var(--brand);color:var(--on)}
:focus-visible{outline:2px solid var(--brand);outline-offset:2px}
""".strip()


def page(
    query: Mapping[str, str], roles: Sequence[AppRole], scopes: Sequence[str], *, everything: str
) -> str:
    """Return the form, which asks the same address again, with the choice added to the query."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in query.items()
    )
    options = "".join(
        _role(role.value, _title(role.value), role.text, is_chosen=index == 0)
        for index, role in enumerate(roles)
    ) + _role("", "No role", "To see what somebody without a role sees.", is_chosen=False)
    choices = f'<option value="{everything}">All instances</option>' + "".join(
        f"<option>{escape(name)}</option>" for name in scopes
    )
    return (
        "<p>This stack runs on your machine: pick who to be.</p>"
        f'<form method="get">{hidden}'
        '<label class="name" for="name">Name</label>'
        f'<input type="text" id="name" name="name" value="{DEFAULT_NAME}" required maxlength="64"'
        ' autocomplete="off" spellcheck="false">'
        f"<fieldset><legend>Role</legend>{options}</fieldset>"
        '<label class="name" for="instance">Instances</label>'
        f'<select id="instance" name="scope_of_role">{choices}</select>'
        "<button>Sign in</button></form>"
    )


def _title(value: str) -> str:
    return re.sub("(?<!^)([A-Z])", r" \1", value).capitalize()


def _role(value: str, title: str, text: str, *, is_chosen: bool) -> str:
    checked = " checked" if is_chosen else ""
    return (
        f'<label class="role"><input type="radio" name="role" value="{escape(value)}"{checked}>'
        f"<span>{escape(title)}</span><small>{escape(text)}</small></label>"
    )
