"""Datasets: the cases on which versions are tried, one JSON object a line."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from llmgw.prompts.gates.assertions import Assertion, read_assertion
from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.prompt import PromptRole
from llmgw.types.prompt_errors import InvalidPrompt
from llmgw.types.violation import Violation, pointer_to

CASES_MAX: Final = 1000
LINE_MAX: Final = 256 * 1024
"""Bytes of one case."""
DATASET_MAX: Final = 8 * 1024 * 1024
"""Bytes of all cases together."""
PROBLEMS_MAX: Final = 50
"""Problems that are told at once."""

_canonical = msgspec.json.Encoder(order="sorted").encode


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of the conversation in which a case is tried."""

    role: PromptRole
    content: Annotated[str, Meta(max_length=LINE_MAX)]


class WrittenCase(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One case as it is written in a dataset."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    vars: dict[str, Json] = {}
    messages: Annotated[tuple[Said, ...], Meta(max_length=200)] = ()
    assertions: Annotated[tuple[dict[str, Json], ...], Meta(max_length=50)] = msgspec.field(
        name="assert", default=()
    )


class Case(Struct, frozen=True, kw_only=True):
    """One case, ready to be tried."""

    name: str
    vars: dict[str, Json]
    messages: tuple[Said, ...] = ()
    assertions: tuple[Assertion, ...] = ()


class Dataset(Struct, frozen=True, kw_only=True):
    """Cases, and the SHA-256 of their canonical lines: the same cases have the same digest however written."""

    cases: tuple[Case, ...]
    digest: str

    @property
    def telling(self) -> int:
        """How many cases say something: the same one counts once, and one that asserts nothing not at all."""
        return len({_canonical((each.vars, each.messages)) for each in self.cases if each.assertions})


def read_lines(text: str) -> Dataset:
    """Read a dataset as its file has it; empty lines are passed over.

    Raises:
        InvalidPrompt: it is none; each violation names its line.
    """
    if len(text.encode()) > DATASET_MAX:
        raise InvalidPrompt(f"a dataset has {DATASET_MAX} bytes at most")
    written: list[Json] = []
    numbers: list[int] = []
    problems: list[Violation] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            written.append(json.decode(line.encode()))
        except InvalidJson as error:
            problems.append(_problem(f"line {number}: {error.message}", str(number)))
        numbers.append(number)
    if problems:
        raise InvalidPrompt("the dataset is not readable", problems[:PROBLEMS_MAX])
    return read_cases(written, lines=numbers)


def read_cases(written: Sequence[Json], *, lines: Sequence[int] | None = None, within: str = "") -> Dataset:
    """Read cases that are JSON already; `lines` are the lines they came from, `within` where they stand.

    Raises:
        InvalidPrompt: some are none, or there are too many; each violation names its case.
    """
    if len(written) > CASES_MAX:
        raise InvalidPrompt(f"a dataset has {CASES_MAX} cases at most; these are {len(written)}")
    cases: list[Case] = []
    canonical: list[bytes] = []
    problems: list[Violation] = []
    size = 0
    for index, value in enumerate(written):
        where = f"line {lines[index]}" if lines is not None else f"case {index + 1}"
        pointer = within + pointer_to(lines[index] if lines is not None else index)
        encoded = _canonical(value)
        size += len(encoded)
        if len(encoded) > LINE_MAX:
            problems.append(_problem(f"{where} has more than {LINE_MAX} bytes", pointer))
            continue
        canonical.append(encoded)
        case = _case(value, index, (where, pointer), problems)
        if case is not None:
            cases.append(case)
    if size > DATASET_MAX:
        raise InvalidPrompt(f"a dataset has {DATASET_MAX} bytes at most")
    if problems:
        raise InvalidPrompt(problems[0].message, problems[:PROBLEMS_MAX])
    return Dataset(cases=tuple(cases), digest=_digest(canonical))


def _case(value: Json, index: int, at: tuple[str, str], problems: list[Violation]) -> Case | None:
    where, pointer = at
    try:
        written = msgspec.convert(value, WrittenCase)
    except msgspec.ValidationError as error:
        problems.append(_problem(f"{where}: {error}", pointer))
        return None
    read = []
    for number, assertion in enumerate(written.assertions):
        try:
            read.append(read_assertion(assertion))
        except ValueError as error:
            place = pointer + pointer_to("assert", number)
            problems.append(_problem(f"{where}, assertion {number + 1}: {error}", place))
    return Case(
        name=written.name or f"case {index + 1}",
        vars=written.vars,
        messages=written.messages,
        assertions=tuple(read),
    )


def _digest(lines: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


def _problem(message: str, pointer: str) -> Violation:
    place = pointer if pointer.startswith("/") or not pointer else f"/{pointer}"
    return Violation(rule="dataset", pointer=place, message=message)
