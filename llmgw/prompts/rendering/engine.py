"""The templates of one version in an engine of their own.

Partials are put into their places before the engine sees anything: what includes what, and how much that is, is
known before it is compiled.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import minijinja

from llmgw.prompts.rendering.filters import filters
from llmgw.prompts.rendering.limits import (
    AT,
    HAS,
    INCLUDES_DEEP,
    NAMES_MAX,
    OWN,
    TAGS_ALL_MAX,
    TAGS_MAX,
    TEMPLATES_MAX,
    TEXT,
    WITHDRAWN,
    WITHHELD_FILTERS,
    WITHHELD_TESTS,
)
from llmgw.prompts.rendering.meter import Meter
from llmgw.prompts.rendering.scan import Code, Scanned, Use, scan
from llmgw.types.json import Json
from llmgw.types.prompt_errors import TemplateError, TemplateTooComplex

_UNDEFINED: Final = re.compile(r"`([^`]{1,200})` is undefined")
_PLACE: Final = re.compile(rf"{AT}\((\d+)(?:, (\d+))?\)")
_CALL: Final = re.compile(rf"{AT}\(\d+(?=\))")
_TELLING: Final = frozenset({"SyntaxError", "UnknownFilter", "UnknownTest", "UnknownFunction"})
"""Kinds of error whose details name what stands in the template, never what stands in a variable."""
_HARMLESS: Final = re.compile(
    r"tried to use \S{1,2} operator on unsupported types [a-z ]+ and [a-z ]+|[a-z ]+ is not iterable|"
    r"range has too many elements|unexpected keyword arguments|too many arguments"
)
"""What else the engine says that has no value in it."""


class Template(NamedTuple):
    """A template by its name; `plain` is all it tells where it has no tags, `text` what it tells once at most."""

    name: str
    plain: str | None
    text: int


class _Place(NamedTuple):
    """Where a partial stands: `line` is that of the message which leads to it."""

    partial: str
    line: int


class Engine:
    """Compiles templates and renders them; for one thread at a time."""

    def __init__(self, includes: Mapping[str, str], fuel: int) -> None:
        self.meter = Meter()
        self._includes = includes
        self._places: list[_Place] = []
        self._scanned: dict[tuple[str, bool], Scanned] = {}
        self._characters = self._names = self._tags = self._tags_all = 0
        self._environment = _environment(self.meter, fuel)

    def add(self, name: str, text: str) -> Template:
        """Compile a template; `name` is told in errors.

        Raises:
            TemplateError: it is none, includes what is not there, or is too large.
        """
        self.meter.partial = self.meter.line = self._characters = self._names = self._tags = 0
        scanned = scan(text)
        parts: list[str] = []
        once = self._assemble(scanned, parts, name, ())
        source = "".join(parts)
        if not scanned.tags:
            return Template(name, source, len(source))
        try:
            self._environment.add_template(name, source)
        except minijinja.TemplateError as error:
            start = error.range[0] if error.range else 0
            found = _PLACE.findall(source.encode()[:start].decode(errors="ignore"))
            if found:
                self.meter.line, self.meter.partial = int(found[-1][0]), int(found[-1][1] or 0)
            raise self._told(error, name) from None
        return Template(name, None, once)

    def _assemble(self, scanned: Scanned, parts: list[str], told: str, within: tuple[_Place, ...]) -> int:
        """Put partials in their places; say how many characters are told at most once."""
        for problem in scanned.problems:
            raise TemplateError(f"{told}, line {problem.line}: {problem.message}")
        once = scanned.text
        self._tags += scanned.tags
        self._tags_all += scanned.tags
        self._names += scanned.names
        number = f", {len(self._places)}" if within else ""
        for part in scanned.parts:
            if isinstance(part, Use):
                once += self._include(part, parts, told, within)
                continue
            # Only our calls have this form: strings in a template have no bracket, but its escape.
            said = _CALL.sub(rf"\g<0>{number}", part) if number and isinstance(part, Code) else str(part)
            self._characters += len(said)
            parts.append(said)
        if self._names > NAMES_MAX:
            raise TemplateTooComplex(f"{told}: with all partials more than {NAMES_MAX} names are given")
        if self._tags > TAGS_MAX or self._tags_all > TAGS_ALL_MAX or self._characters > TEMPLATES_MAX:
            raise TemplateTooComplex(
                f"{told} has too many tags, or is too long: there may be {TAGS_MAX} of them in a message and "
                f"{TAGS_ALL_MAX} in all, and {TEMPLATES_MAX} characters with all partials"
            )
        return once

    def _include(self, use: Use, parts: list[str], told: str, within: tuple[_Place, ...]) -> int:
        where = f"{told}, line {use.line}"
        if use.name not in self._includes:
            raise TemplateError(f"{where}: there is no partial {use.name!r} to include")
        if use.name in {each.partial for each in within} or len(within) >= INCLUDES_DEEP:
            raise TemplateError(
                f"{where}: the partial {use.name!r} includes itself, or partials are nested too deep"
            )
        place = _Place(use.name, within[0].line if within else use.line)
        self._places.append(place)
        parts.append(Code(f"{{% if {AT}({place.line}) %}}"))
        key = (use.name, use.repeated)
        if key not in self._scanned:
            self._scanned[key] = scan(self._includes[use.name], repeated=use.repeated)
        once = self._assemble(self._scanned[key], parts, f"the partial {use.name}", (*within, place))
        parts.append(Code("{% endif %}"))
        return once

    def render(self, template: Template, variables: Mapping[str, Json]) -> str:
        """Render a template.

        Raises:
            TemplateError: a variable is missing or of no use; `TemplateTooComplex` if it is too much.
        """
        meter = self.meter
        if template.plain is not None:
            meter.told(template.plain)
            return template.plain
        try:
            meter.message(template.text)
            text = self._environment.render_template(template.name, **variables)
        except TemplateTooComplex as error:
            raise _too_complex(template.name, error.message) from None
        except TemplateError as error:
            raise self._placed(template.name, error.message) from None
        except minijinja.TemplateError as error:
            raise self._told(error, template.name) from None
        meter.told(text)
        return text

    def _told(self, error: minijinja.TemplateError, name: str) -> TemplateError:
        """Say what the engine found wrong, without a value of a variable in it."""
        if error.kind == "OutOfFuel":
            return _too_complex(name, "it takes too many steps")
        detail = error.detail or ""
        if error.kind == "UndefinedError":
            missing = _UNDEFINED.fullmatch(detail)
            return self._placed(
                name, f"{missing[1] if missing and OWN not in missing[1] else 'a member'} is undefined"
            )
        if OWN not in detail and (error.kind in _TELLING or _HARMLESS.fullmatch(detail)):
            return self._placed(name, detail)
        return self._placed(name, "it does what cannot be done with a value of this kind")

    def _placed(self, name: str, message: str) -> TemplateError:
        meter = self.meter
        if meter.partial:
            place = self._places[meter.partial - 1]
            return TemplateError(
                f"{name}, line {place.line}: cannot include the partial {place.partial}, see its line "
                f"{meter.line}: {message}"
            )
        return TemplateError(f"{name}, line {meter.line}: {message}" if meter.line else f"{name}: {message}")


def _too_complex(name: str, why: str) -> TemplateTooComplex:
    return TemplateTooComplex(f"{name} takes too long, or comes to too much text: {why}")


def _has(owner: Json, name: str) -> bool:
    """Say whether a member may be asked for: lists have none, and texts have no methods."""
    return name in owner if isinstance(owner, dict) else not isinstance(owner, list)


def _environment(meter: Meter, fuel: int) -> minijinja.Environment:
    environment = minijinja.Environment(
        fuel=fuel,
        undefined_behavior="strict",
        auto_escape_callback=lambda _name: False,
        finalizer=meter.emit,
        keep_trailing_newline=True,
        pycompat=False,
    )
    for name in WITHDRAWN:
        environment.remove_global(name)
    for name in WITHHELD_FILTERS:
        environment.remove_filter(name)
    for name in WITHHELD_TESTS:
        environment.remove_test(name)
    for name, function in filters(meter).items():
        environment.add_filter(name, function)
    environment.add_filter(HAS, _has)
    environment.add_global(AT, meter.at)
    environment.add_global(TEXT, meter.text)
    return environment
