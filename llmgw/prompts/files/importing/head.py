"""The YAML at the head of another tool's file: plain values, no aliases, bounded in size and depth."""

import math
import re
from typing import Any, Final, NamedTuple

import yaml

from llmgw.types import json
from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

HEAD_MAX: Final = 65_536
"""Characters of a front matter; reading YAML takes its time."""
DEPTH_MAX: Final = 32

_FENCE: Final = re.compile(r"---[ \t]*\Z")


class Head(NamedTuple):
    """The members of a front matter (none where there is none), the text behind it, and the line that begins at."""

    members: dict[str, Json]
    body: str
    line: int


def read_head(text: str) -> Head:
    """Take a file apart; comments and blank lines may stand before its front matter.

    Raises:
        InvalidPrompt: the front matter does not end, or is no YAML object of JSON values.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None or not _FENCE.match(lines[first]):
        return Head({}, "\n".join(lines), 1)
    for at in range(first + 1, len(lines)):
        if _FENCE.match(lines[at]):
            written = "\n".join(lines[first + 1 : at])
            return Head(read_yaml(written, first + 2), "\n".join(lines[at + 1 :]), at + 2)
    raise InvalidPrompt(f"line {first + 1}: the front matter does not end: a line `---` is missing")


def read_yaml(written: str, line: int) -> dict[str, Json]:
    """Read one YAML object whose first line is the file's line `line`."""
    if len(written) > HEAD_MAX:
        raise InvalidPrompt(f"line {line}: a front matter has at most {HEAD_MAX} characters")
    try:
        loader = _Loader(written)
        try:
            found = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        at = line + error.problem_mark.line if error.problem_mark is not None else line
        raise InvalidPrompt(f"line {at}: {error.problem or 'this is no YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidPrompt(f"line {line}: the front matter is no YAML") from None
    if found is None:
        return {}
    try:
        json.encode(found)
    except (ValueError, OverflowError):
        raise InvalidPrompt(f"line {line}: the front matter has characters that no text has") from None
    if not isinstance(found, dict):
        raise InvalidPrompt(f"line {line}: the front matter is an object: `name: …` and so on")
    return found


class _Loader(yaml.SafeLoader):
    """Makes JSON values alone, as YAML 1.2 reads them: no dates, and `yes` is a word."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node; no aliases, which make little text into much, and nothing too deep."""
        if self.check_event(yaml.AliasEvent):
            raise self._refusal("aliases (`*name`) are not read")
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._refusal("this is nested too deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _refusal(self, problem: str) -> yaml.MarkedYAMLError:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs are not whole
        return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _object(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="the name of a member is a word", problem_mark=key.start_mark)
        if key.value in made:
            raise yaml.MarkedYAMLError(
                problem=f"`{key.value[:64]}` is here twice", problem_mark=key.start_mark
            )
        made[key.value] = loader.construct_object(value, deep=True)
    return made


def _list(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> list[Json]:
    return [loader.construct_object(each, deep=True) for each in node.value]


def _truth(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return str(node.value).lower() == "true"


def _float(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    made = float(node.value)
    if not math.isfinite(made):
        raise yaml.MarkedYAMLError(problem="this number is too large", problem_mark=node.start_mark)
    return made


def _refused(_loader: yaml.SafeLoader, node: yaml.Node) -> Json:
    kind = node.tag.rpartition(":")[2][:64]
    raise yaml.MarkedYAMLError(problem=f"{kind!r} is no kind of value here", problem_mark=node.start_mark)


_PREFIX: Final = "tag:yaml.org,2002:"
_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {
    f"{_PREFIX}null": yaml.SafeLoader.construct_yaml_null,
    f"{_PREFIX}bool": _truth,
    f"{_PREFIX}int": lambda _loader, node: int(node.value),
    f"{_PREFIX}float": _float,
    f"{_PREFIX}str": yaml.SafeLoader.construct_yaml_str,
    f"{_PREFIX}seq": _list,
    f"{_PREFIX}map": _object,
    None: _refused,
}
for _kind, _form, _first in (
    ("null", r"(?:null|Null|NULL|~|)\Z", ["n", "N", "~", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}\Z", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"{_PREFIX}{_kind}", re.compile(_form), _first)
