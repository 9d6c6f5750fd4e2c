"""The YAML at the head of a file, read as JSON would be: no dates, no octal numbers, and `yes` is a word."""

import math
import re
from typing import Any, Final, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # PyYAML's stubs are not whole
from yaml.resolver import Resolver

from llmgw.types.prompt_errors import InvalidPrompt

FILE_MAX: Final = 1024 * 1024
"""Characters of a file."""
DEPTH_MAX: Final = 64
"""Lists and objects in each other."""

VALUES_MAX: Final = 30_000
"""Values and names of members in a front matter: reading so many takes 0.15 s."""

_FENCE: Final = re.compile(r"---[ \t]*\Z")


class FrontMatter(NamedTuple):
    """What stands between the first two lines of dashes, the text behind it, and the lines where both begin.

    `lines` are those of the members, counted from 1 in the file; `body_line` is that of the first line of the body.
    """

    members: dict[str, Any]
    lines: dict[str, int]
    body: str
    body_line: int


def split_front_matter(text: str) -> FrontMatter:
    """Take a file apart.

    Raises:
        InvalidPrompt: it is too long, has no front matter, or that is no YAML object of JSON values.
    """
    if len(text) > FILE_MAX:
        raise InvalidPrompt(f"a prompt file has at most {FILE_MAX} characters")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if not _FENCE.match(lines[0]):
        raise InvalidPrompt("line 1: a prompt file begins with `---`, its front matter, and `---` again")
    for number, line in enumerate(lines[1:], 1):
        if _FENCE.match(line):
            members, places = _read("\n".join([*lines[1:number], ""]))
            return FrontMatter(members, places, "\n".join(lines[number + 1 :]), number + 2)
    raise InvalidPrompt("line 1: the front matter does not end: a line `---` is missing")


def _read(written: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        loader = _Loader(written)
    except (yaml.YAMLError, ValueError):
        raise InvalidPrompt("the front matter has characters that no text has") from None
    try:
        node = loader.get_single_node()
        if node is None:
            return {}, {}
        if not isinstance(node, yaml.MappingNode):
            raise InvalidPrompt("line 2: the front matter is an object: `name: …` and so on")
        members = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 2}: " if mark is not None else ""
        raise InvalidPrompt(f"{where}{error.problem or 'this is no YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidPrompt("the front matter is no YAML") from None
    finally:
        loader.dispose()
    return members, {key.value: key.start_mark.line + 2 for key, _ in node.value}


class _Loader(Composer, CParser, SafeConstructor, Resolver):
    """Makes JSON values alone, of a document that cannot be larger than it looks.

    Words are found by libyaml, several times quicker than in Python; what they make up is composed here.
    """

    def __init__(self, stream: str) -> None:
        CParser.__init__(self, stream)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._depth = self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node; no aliases, which make little text into much, and nothing too deep."""
        if self.check_event(yaml.AliasEvent):
            raise _marked("aliases (`*name`) are not read", self._here())
        self._values += 1
        if self._values > VALUES_MAX:
            raise _marked(f"there are more than {VALUES_MAX} values", self._here())
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _marked("this is nested too deep", self._here())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _here(self) -> Any:
        event = self.peek_event()
        return event.start_mark if event is not None else None

    def construct_object_of(self, node: yaml.MappingNode) -> dict[str, Any]:
        """Construct an object whose members have names, each once."""
        made: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise _marked("the name of a member is a word", key.start_mark)
            if key.value in made:
                raise _marked(f"`{key.value}` stands here twice", key.start_mark)
            made[key.value] = self.construct_object(value, deep=True)
        return made


def _marked(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _refused(_loader: SafeConstructor, node: yaml.Node) -> Any:
    raise _marked(f"{node.tag.rpartition(':')[2]!r} is no kind of value here", node.start_mark)


def _number(_loader: SafeConstructor, node: yaml.Node) -> int | float:
    try:
        return int(node.value)
    except ValueError:
        number = float(node.value)
    if math.isinf(number):
        raise _marked("the number is too large", node.start_mark)
    return number


KINDS: Final = (
    ("null", re.compile(r"(?:null|~|)\Z"), ["n", "~", ""]),
    ("bool", re.compile(r"(?:true|false)\Z"), list("tf")),
    ("int", re.compile(r"-?(?:0|[1-9][0-9]{0,400})\Z"), list("-0123456789")),
    (
        "float",
        re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?\Z"),
        list("-0123456789"),
    ),
)
"""What a word without quotes is when it is no text, by its form and first characters."""
PREFIX: Final = "tag:yaml.org,2002:"
_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {
    f"{PREFIX}null": SafeConstructor.construct_yaml_null,
    f"{PREFIX}bool": SafeConstructor.construct_yaml_bool,
    f"{PREFIX}int": _number,
    f"{PREFIX}float": _number,
    f"{PREFIX}str": SafeConstructor.construct_yaml_str,
    f"{PREFIX}seq": lambda loader, node: [loader.construct_object(each, deep=True) for each in node.value],
    f"{PREFIX}map": _Loader.construct_object_of,
    None: _refused,
}
for _kind, _form, _first in KINDS:
    _Loader.add_implicit_resolver(f"{PREFIX}{_kind}", _form, _first)
