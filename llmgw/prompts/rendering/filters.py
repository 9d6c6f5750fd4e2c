"""The filters of the template language: bounded in what they make, strict in what they take.

Each takes JSON values and gives one. A value that is missing or null is refused by all but `default`; inside
of lists and objects null is a value as any other.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, TypeVar

from llmgw.prompts.rendering.choosing import MISSING_MEMBER, choosing, member
from llmgw.prompts.rendering.limits import TEXT_MAX, TOLD, VALUES_MAX
from llmgw.prompts.rendering.meter import Meter, told
from llmgw.prompts.rendering.values import measured
from llmgw.types.json import Json, encode
from llmgw.types.prompt_errors import TemplateError, TemplateTooComplex

_Number = int | float
_T = TypeVar("_T")
_KINDS: Final = {str: "text", bool: "boolean", int: "number", float: "number", list: "list", dict: "object"}
_WIDTH_MAX: Final = 64
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def filters(meter: Meter) -> dict[str, Callable[..., Json]]:
    """Give the filters by name; each looks at the meter's clock."""
    every: dict[str, Callable[..., Json]] = {**_FILTERS, **choosing(meter.look), TOLD: _joined}
    return {name: _metered(name, function, meter) for name, function in every.items()}


def _metered(name: str, function: Callable[..., Json], meter: Meter) -> Callable[..., Json]:
    look, made = meter.look, meter.made
    called = "~" if name == TOLD else f"filter {name}"

    @wraps(function)
    def metered(*args: Json, **named: Json) -> Json:
        look()
        try:
            value = function(*args, **named)
            made(value)
            return value
        except TemplateError as error:
            raise type(error)(f"{called}: {error.message}") from None
        except (TypeError, ValueError, OverflowError, RecursionError):
            # What Python says of it may have the value in it.
            raise TemplateError(f"{called} has no use for such a value or argument") from None

    return metered


def _kind(value: Json) -> str:
    return "nothing" if value is None else _KINDS.get(type(value), "no JSON value")


def _needs(what: str, value: Json) -> TemplateError:
    return TemplateError(f"it needs {what}, and got {_kind(value)}")


def _text(value: Json) -> str:
    if type(value) is not str:
        raise _needs("a text", value)
    return value


def _number(value: Json) -> _Number:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise _needs("a number", value)


def _whole(value: Json, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise TemplateError(f"it needs a whole number from {low} to {high}")
    return value


def _items(value: Json) -> list[Json]:
    if type(value) is not list:
        raise _needs("a list", value)
    return value


def _bounded(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise _too_long()
    return text


def _too_long() -> TemplateTooComplex:
    return TemplateTooComplex(f"a text has more than {TEXT_MAX} characters")


def _few(items: list[_T]) -> list[_T]:
    if len(items) > VALUES_MAX:
        raise TemplateTooComplex(f"a list has more than {VALUES_MAX} items")
    return items


# ── texts ──


def _simple(change: Callable[[str], str]) -> Callable[[Json], str]:
    def changed(value: Json) -> str:
        return _bounded(change(_text(value)))

    return changed


def _joined(value: Json) -> str:
    """Make a text of what `~` joins."""
    if value is None:
        raise _needs("a value on both sides", value)
    return told(value)


def _title(text: str) -> str:
    return _WORD.sub(lambda match: match[0].capitalize(), text)


def _string(value: Json) -> str:
    return _bounded(told(_given(value)))


def _trim(value: Json, signs: Json = None) -> str:
    return _text(value).strip(None if signs is None else _text(signs))


def _replace(value: Json, old: Json, new: Json) -> str:
    text, sought, given = _text(value), _text(old), _text(new)
    if not sought:
        raise TemplateError("there is no text to replace")
    if len(text) + text.count(sought) * (len(given) - len(sought)) > TEXT_MAX:
        raise _too_long()
    return text.replace(sought, given)


def _truncate(
    value: Json,
    length: Json = 255,
    killwords: Json = None,
    end: Json = "...",
    leeway: Json = 5,
) -> str:
    text, most, last = _text(value), _whole(length, 0, TEXT_MAX), _text(end)
    if len(text) <= most + _whole(leeway, 0, TEXT_MAX):
        return text
    kept = text[: max(0, most - len(last))]
    return (kept if killwords is True else kept.rsplit(" ", 1)[0]) + last


def _indent(value: Json, width: Json = 4, first: Json = None, blank: Json = None) -> str:
    text, space = _text(value), " " * _whole(width, 0, _WIDTH_MAX)
    if len(text) + len(space) * (text.count("\n") + 1) > TEXT_MAX:
        raise _too_long()
    begun, *others = text.split("\n")
    lines = [space + begun if first is True else begun]
    lines += [space + line if line or blank is True else line for line in others]
    return "\n".join(lines)


def _lines(value: Json) -> list[str]:
    return _few(_text(value).splitlines())


def _split(value: Json, by: Json = None, most: Json = None) -> list[str]:
    text, sign = _text(value), None if by is None else _text(by)
    times = VALUES_MAX + 1 if most is None else _whole(most, 0, VALUES_MAX)
    if sign == "":
        return _few(list(text))
    return _few(text.split(sign, times))


# ── numbers ──


def _abs(value: Json) -> _Number:
    return abs(_number(value))


def _round(value: Json, precision: Json = 0) -> _Number:
    return round(float(_number(value)), _whole(precision, 0, 15))


def _bool(value: Json) -> bool:
    return bool(_given(value))


def _int(value: Json) -> int:
    number = int(value) if type(value) is str and len(value) <= 24 else int(_number(value))
    if number.bit_length() > 63:
        raise TemplateError("the number is too large")
    return number


def _float(value: Json) -> float:
    return float(_number(float(value) if type(value) is str and len(value) <= 64 else value))


# ── lists and objects ──


def _length(value: Json) -> int:
    if type(value) not in {str, list, dict}:
        raise _needs("a text, a list or an object", value)
    return len(value)


def _first(value: Json) -> Json:
    return value[0] if _ordered(value) else next(iter(value))


def _last(value: Json) -> Json:
    return value[-1] if _ordered(value) else next(reversed(value))


def _ordered(value: Json) -> bool:
    if not _length(value):
        raise TemplateError("it is empty")
    return type(value) is not dict


def _join(value: Json, by: Json = "", attribute: Json = None) -> str:
    items = _list(value) if attribute is None else _map(value, attribute)
    between = _text(by)
    texts = [told(each) for each in items]
    if sum(map(len, texts)) + len(between) * len(texts) > TEXT_MAX:
        raise _too_long()
    return between.join(texts)


def _list(value: Json) -> list[Json]:
    if type(value) in {str, dict}:
        return _few(list(value))
    return _items(value)


def _items_of(value: Json) -> list[list[Json]]:
    if type(value) is not dict:
        raise _needs("an object", value)
    return [[name, member] for name, member in value.items()]


def _dictsort(
    value: Json,
    case_sensitive: Json = None,
    by: Json = "key",
    reverse: Json = None,
) -> list[Json]:
    if by not in {"key", "value"}:
        raise TemplateError("it sorts by 'key' or by 'value'")
    pairs = _items_of(value)
    keys = [pair[by == "value"] for pair in pairs]
    return _by_keys(pairs, keys, case_sensitive=case_sensitive is True, reverse=reverse is True)


def _reverse(value: Json) -> Json:
    return value[::-1] if type(value) is str else _items(value)[::-1]


def _map(value: Json, attribute: Json) -> list[Json]:
    path = _text(attribute)
    members = [member(item, path) for item in _items(value)]
    if any(each is MISSING_MEMBER for each in members):
        raise TemplateError("an item does not have that member")
    return members


def _comparable(items: list[Json]) -> list[Any]:
    if not (all(type(each) is str for each in items) or all(type(each) in {int, float} for each in items)):
        raise TemplateError("it needs texts or numbers")
    return items


def _by_keys(items: list[Any], keys: list[Json], *, case_sensitive: bool, reverse: bool) -> list[Any]:
    order = _comparable(keys)
    if not case_sensitive:
        order = [each.lower() if isinstance(each, str) else each for each in order]
    places = sorted(range(len(items)), key=order.__getitem__, reverse=reverse)
    return [items[place] for place in places]


def _sort(
    value: Json,
    reverse: Json = None,
    case_sensitive: Json = None,
    attribute: Json = None,
) -> list[Json]:
    items = _list(value)
    keys = items if attribute is None else _map(items, attribute)
    return _by_keys(items, keys, case_sensitive=case_sensitive is True, reverse=reverse is True)


def _unique(value: Json, case_sensitive: Json = None, attribute: Json = None) -> list[Json]:
    items = _list(_json(value))
    keys = items if attribute is None else _map(items, attribute)
    seen: dict[bytes, Json] = {}
    for key, item in zip(keys, items, strict=True):
        folded = key.lower() if isinstance(key, str) and case_sensitive is not True else key
        seen.setdefault(encode(folded), item)
    return list(seen.values())


def _sum(value: Json) -> _Number:
    return _number(sum(map(_number, _items(value))))


def _extreme(choose: Callable[[Iterable[Any]], Json]) -> Callable[[Json], Json]:
    def extreme(value: Json) -> Json:
        items = _comparable(_items(value))
        if not items:
            raise TemplateError("it is empty")
        return choose(items)

    return extreme


def _given(value: Json) -> Json:
    if value is None:
        raise _needs("a value", value)
    return value


def _json(value: Json) -> Json:
    if not measured(_given(value)):
        raise _needs("a JSON value", value)
    return value


def _tojson(value: Json, indent: Json = None) -> str:
    width = None if indent is None else _whole(indent, 0, 8)
    if width and len(encode(_json(value))) + _spaces(value) * width > TEXT_MAX:
        raise _too_long()
    return _bounded(json.dumps(_json(value), ensure_ascii=False, indent=width))


def _spaces(value: Json) -> int:
    """Count how often an indentation stands before the lines of a value, or a little more."""
    level, depth, count = [value], 0, 0
    while level:
        inner: list[Json] = []
        for each in level:
            if type(each) is dict:
                inner.extend(each.values())
            elif type(each) is list:
                inner.extend(each)
        depth += 1
        count += (len(inner) + len(level)) * depth
        level = inner
    return count


_FILTERS: Final[dict[str, Callable[..., Json]]] = {
    "abs": _abs, "bool": _bool, "capitalize": _simple(str.capitalize), "count": _length, "dictsort": _dictsort,
    "first": _first, "float": _float, "indent": _indent, "int": _int, "items": _items_of, "join": _join,
    "last": _last, "length": _length, "lines": _lines, "list": _list, "lower": _simple(str.lower), "map": _map,
    "max": _extreme(max), "min": _extreme(min), "replace": _replace, "reverse": _reverse, "round": _round,
    "sort": _sort, "split": _split, "string": _string, "sum": _sum, "title": _simple(_title),
    "tojson": _tojson, "trim": _trim, "truncate": _truncate, "unique": _unique, "upper": _simple(str.upper),
}  # fmt: skip
"""All of the language but `default`, which only the engine can do: to Python a missing value is null."""
