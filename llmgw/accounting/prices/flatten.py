"""Writes the catalogue of prices anew from a wheel of `genai-prices`, which is its one argument.

The package itself needs pydantic and an HTTP client, and may fetch newer prices by itself. Only its data is wanted:
the module that holds it is read as syntax, and never run.
"""

import ast
import datetime as dt
import gzip
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Final

from llmgw.accounting.prices.catalogue import FILE, PROVIDERS
from llmgw.types import json
from llmgw.types.json import Json

_DATA: Final = "genai_prices/data.py"
_LICENCE: Final = "licenses/LICENSE"
_CLAUSES: Final = {
    "ClauseEquals": ("equals", "equals"),
    "ClauseStartsWith": ("starts", "starts_with"),
    "ClauseEndsWith": ("ends", "ends_with"),
    "ClauseContains": ("contains", "contains"),
    "ClauseRegex": ("regex", "regex"),
}
_JOINTS: Final = {"ClauseOr": ("or", "or_"), "ClauseAnd": ("and", "and_")}


def flatten(wheel: Path) -> tuple[dict[str, Json], bytes]:
    """Read a wheel: the catalogue, and the licence it comes under.

    Raises:
        ValueError: the data has a form that is not known here.
    """
    version = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as packed:
        source = packed.read(_DATA).decode()
        licence = next(packed.read(name) for name in packed.namelist() if name.endswith(_LICENCE))
    listed = next(
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "providers"
    )
    if not isinstance(listed, ast.List):
        raise ValueError(f"{_DATA} holds no list of providers")  # noqa: TRY004  # a form of data, not of an argument
    wanted = _with_fallbacks(listed)
    return {
        "source": "genai-prices",
        "version": version,
        "licence": "MIT, see LICENSE.genai-prices",
        "providers": {name: _provider(members) for name, members in wanted.items()},
    }, licence


def _with_fallbacks(listed: ast.List) -> dict[str, dict[str, ast.expr]]:
    """The providers that rows of the registry stand for, and those in whose prices they are looked up too."""
    every = {str(_text(members["id"])): members for members in map(_members, listed.elts)}
    wanted = set(PROVIDERS.values())
    for name in tuple(wanted):
        wanted.update(_fallbacks(every[name]))
    return {name: every[name] for name in sorted(wanted)}


def _fallbacks(members: dict[str, ast.expr]) -> list[str]:
    listed = members.get("fallback_model_providers")
    return [_text(each) for each in listed.elts] if isinstance(listed, ast.List) else []


def _provider(members: dict[str, ast.expr]) -> Json:
    return {
        "fallback": [*_fallbacks(members)],
        "models": [_model(_members(each)) for each in _items(members["models"])],
    }


def _model(members: dict[str, ast.expr]) -> Json:
    prices = members["prices"]
    periods: list[Json] = []
    if isinstance(prices, ast.List):
        periods += [
            {**_constraint(each.get("constraint")), "prices": _prices(each["prices"])}
            for each in map(_members, prices.elts)
        ]
    else:
        periods.append({"prices": _prices(prices)})
    variants: list[Json] = [
        {
            **_constraint(each.get("constraint")),
            "when": ast.literal_eval(each["when"]),
            "prices": _prices(each["prices"]),
        }
        for each in map(_members, _items(members.get("price_variants")))
    ]
    found: dict[str, Json] = {
        "id": _text(members["id"]),
        "match": _clause(members["match"]),
        "periods": periods,
    }
    return {**found, "variants": variants} if variants else found


def _constraint(node: ast.expr | None) -> dict[str, Json]:
    """When a price applies: from the unix second `from`, or between two seconds of the day."""
    if node is None or isinstance(node, ast.Constant):
        return {}
    members = _members(node)
    if "start_date" in members:
        numbers = [_number(each) for each in _call(members["start_date"]).args]
        start = dt.datetime(numbers[0], numbers[1], numbers[2], tzinfo=dt.UTC)
        return {"from": int(start.timestamp())}
    return {"between": [_second(members["start_time"]), _second(members["end_time"])]}


def _second(node: ast.expr) -> int:
    call = _call(node)
    if [ast.unparse(each.value) for each in call.keywords] != ["datetime.UTC"]:
        raise ValueError(f"a time that is not in UTC: {ast.unparse(node)}")
    hour, minute = [*(_number(each) for each in call.args), 0][:2]
    return hour * 3600 + minute * 60


def _prices(node: ast.expr) -> dict[str, Json]:
    return {key: _price(value) for key, value in _members(node).items()}


def _price(node: ast.expr) -> Json:
    """US dollars as text; with steps as `[base, [[tokens, price], …]]`."""
    call = _call(node)
    if ast.unparse(call.func) == "Decimal":
        return str(Decimal(_text(call.args[0])))
    members = _members(node)
    steps: list[Json] = [
        [_number(each["start"]), _price(each["price"])] for each in map(_members, _items(members["tiers"]))
    ]
    return [_price(members["base"]), steps]


def _clause(node: ast.expr) -> Json:
    name, members = ast.unparse(_call(node).func), _members(node)
    if name in _JOINTS:
        word, member = _JOINTS[name]
        return [word, [_clause(each) for each in _items(members[member])]]
    word, member = _CLAUSES[name]
    return [word, _text(members[member])]


def _call(node: ast.expr) -> ast.Call:
    if not isinstance(node, ast.Call):
        raise ValueError(f"not a call: {ast.unparse(node)[:80]}")  # noqa: TRY004  # a form of data, not of an argument
    return node


def _members(node: ast.expr) -> dict[str, ast.expr]:
    return {each.arg: each.value for each in _call(node).keywords if each.arg is not None}


def _items(node: ast.expr | None) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.List) else []


def _text(node: ast.expr) -> str:
    return str(ast.literal_eval(node))


def _number(node: ast.expr) -> int:
    return int(ast.literal_eval(node))


def main() -> None:
    """Write the catalogue and its licence beside this file."""
    catalogue, licence = flatten(Path(sys.argv[1]))
    here = Path(__file__).parent
    (here / FILE).write_bytes(gzip.compress(json.encode(catalogue), mtime=0))
    (here / "LICENSE.genai-prices").write_bytes(licence)


if __name__ == "__main__":
    main()
