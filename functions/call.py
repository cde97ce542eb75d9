"""What the handler of a REST operation sees of a request, and what it may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import azure.functions as func
import msgspec

from shared.container.services import Services
from shared.contract.strictjson import NotStrictJson, loads_strict
from shared.domain.access import Principal
from shared.domain.errors import InvalidInput, PreconditionFailed
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.page_token import PageTokens
from shared.http.problems import UnsupportedMediaType
from shared.http.route import TOKEN, TOP, Route
from shared.ports import Page

MAX_BODY_BYTES = 4 << 20
_MAX_TOP_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Call:
    """One authorized request to an instance; `parts` are the values in its path.

    `request_id` is the service's own name for the request: answers and the audit log have it.
    """

    app: Services
    route: Route
    parts: Mapping[str, str]
    api_version: str
    request: func.HttpRequest
    principal: Principal
    request_id: str

    @property
    def target(self) -> str:
        """What the request is about: its path below the instance, decoded, without a verb."""
        return "/".join(self._segment(each) for each in self.route.path.split("/"))

    def _segment(self, template: str) -> str:
        name, closing, _ = template.partition("}")
        if not closing:
            return template.partition(":")[0]
        return self.parts[name.removeprefix("{")].replace("%", "%25").replace("/", "%2F")

    @property
    def instance(self) -> str:
        """The instance that the request is for."""
        return self.parts["instanceId"]

    def part(self, name: str) -> str:
        """A value from the path, decoded."""
        return self.parts[name]

    def update_id(self) -> UpdateId:
        """The update that the path names.

        Raises:
            InvalidInput: No update can have that name.
        """
        names = (self.part(name) for name in ("provider", "name", "version"))
        return named_update(*names, place=lambda pointer: pointer.removeprefix("/"))

    def query(self, name: str) -> str | None:
        """A value from the query."""
        value = self.request.params.get(name)
        return None if value is None else str(value)

    def check_condition(self, tag: str | None) -> None:
        """Let a write pass or refuse it for its `If-Match` and `If-None-Match`.

        Args:
            tag: ETag of the thing that is there; None if there is none.

        Raises:
            PreconditionFailed: A condition does not hold.
        """
        wanted, unwanted = (
            self.request.headers.get(name) for name in ("If-Match", "If-None-Match")
        )
        if wanted and (tag is None or wanted not in (tag, "*")):
            now = f"The ETag is {tag}" if tag else "There is none yet"
            raise PreconditionFailed(f"{now}: If-Match does not hold.", target="If-Match")
        if unwanted and tag is not None and unwanted in (tag, "*"):
            raise PreconditionFailed(
                f"There is one, with the ETag {tag}: If-None-Match does not hold.",
                target="If-None-Match",
            )

    def json(self) -> Any:
        """The JSON body, read strictly.

        Raises:
            InvalidInput: It is no JSON, too large, or of another content type.
        """
        given = (self.request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if given != self.route.body_type:
            raise UnsupportedMediaType(
                f"The body must be {self.route.body_type}, not {given or 'untyped'}.",
                target="Content-Type",
            )
        try:
            return loads_strict(self.request.get_body(), max_bytes=MAX_BODY_BYTES)
        except NotStrictJson as error:
            raise InvalidInput(f"The body cannot be read: {error}.", target="") from error

    @property
    def has_body(self) -> bool:
        """Whether the request brings anything."""
        return bool(self.request.get_body())

    def body[T](self, kind: type[T]) -> T:
        """The body as an object of the API.

        Raises:
            InvalidInput: It is none; `target` is the JSON pointer of the member at fault.
        """
        document = self.json()
        try:
            return msgspec.convert(document, kind)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at ")
            raise InvalidInput(f"{reason}.", target=_pointer(place)) from error

    def path(self, *segments: str, **query: str) -> str:
        """A relative address below the instance, of the caller's api-version."""
        return wire.path(self.instance, *segments, **{"api-version": self.api_version, **query})

    def page_token(self) -> str | None:
        """Where the page asked for begins.

        Raises:
            InvalidInput: The token is not one of this caller, list, instance and query, or is old.
        """
        return self._page_tokens().open(self.query(TOKEN.name))

    def page_size(self) -> int:
        """The most items of the page."""
        top = self._top()
        size = self.app.settings.page_size
        return size if top is None else max(1, min(size, top))

    def page[T](self, items: list[T], page: Page[Any]) -> models.Page[T]:
        """One page of a listing, with the address of the next, unless `top` is reached."""
        top = self._top()
        left = None if top is None else max(0, top - len(items))
        next_link = None
        if page.token is not None and left != 0:
            given = {
                item.name: value
                for item in self.route.query
                if (value := self.query(item.name)) is not None
            }
            if left is not None:
                given[TOP.name] = str(left)
            given[TOKEN.name] = self._page_tokens().seal(page.token)
            segments = urlsplit(self.request.url).path.strip("/").split("/")[2:]
            next_link = self.path(*map(unquote, segments), **given)
        return models.Page(items[:top], next_link)

    def _top(self) -> int | None:
        text = self.query(TOP.name) if TOP in self.route.query else None
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_TOP_DIGITS):
            raise InvalidInput("'top' must be a whole number, 0 or above.", target=TOP.name)
        return int(text)

    def _page_tokens(self) -> PageTokens:
        """The tokens of this list of this instance with this query, for who asks now."""
        values = [self.query(item.name) for item in self.route.query if item != TOP]
        return PageTokens(
            sealer=self.app.ports.sealer,
            scope=repr([self.route.name, sorted(self.parts.items()), values]),
            caller=self.principal.object_id,
            now=self.app.ports.clock.now(),
        )


@dataclass(frozen=True, slots=True)
class Reply[T]:
    """An answer with headers of its own."""

    body: T
    headers: Mapping[str, str] = field(default_factory=dict)


def named_update(
    provider: str, name: str, version: str, *, place: Callable[[str], str]
) -> UpdateId:
    """The update of that name; `place` says where the request has a part of it.

    Raises:
        InvalidInput: No update can have that name.
    """
    try:
        return UpdateId(provider, name, version)
    except InvalidInput as error:
        details = tuple(
            InvalidInput(detail.message, target=place(detail.target or ""))
            for detail in error.details
        )
        raise InvalidInput(error.message, target=details[0].target, details=details) from error


def parts_of(route: Route, url: str) -> dict[str, str]:
    """The values in the path of a request to a route, each decoded once.

    They are read from the address itself: the host has decoded its route values, an encoded slash
    apart, so that what looks encoded in them may be meant as it stands.
    """
    found: dict[str, str] = {}
    template = route.template.split("/")
    for segment, value in zip(template, urlsplit(url).path.strip("/").split("/"), strict=False):
        name, closing, suffix = segment.removeprefix("{").partition("}")
        if closing:
            text = unquote(value)
            found[name] = text[: len(text) - len(suffix)]
    return found


def _pointer(place: str) -> str:
    """A msgspec path such as `$.update.updateId` or `$[0].url` as a JSON pointer."""
    return place.strip("`").removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")
