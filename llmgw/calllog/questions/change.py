"""What changed, and which one value of which dimension explains it best.

Two times of equal length are compared. What a value adds to the change of a sum, such as cost, is its own change.
A mean, such as latency or the share of errors, changes by what each value moves it away from the mean before: its
share of the calls times how far it is from that mean, now less before. Either way all values of a dimension add up
to the whole change.

A value that has a large part of everything has a large part of each change, and explains nothing by it; and where
one value takes the place of another, as a prompt's new version does, both move the sum and cancel. So the score of
a value is its part of all that moved in its dimension, less its part of everything before.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llmgw.calllog.questions.question import (
    WEEK_US,
    Choice,
    Chosen,
    Column,
    Question,
    Row,
    limit,
    shown,
)

DIMENSIONS: Final = (
    "target", "prompt", "key", "team", "alias", "provider", "tenant", "endpoint", "context loss",
)  # fmt: skip
"""In the order in which they are told where they explain a change alike."""
_STEPS: Final = 20
_COLUMNS: Final = {
    "tenant": "tenant",
    "team": "team",
    "key": "key_id",
    "alias": "alias",
    "target": "target",
    "provider": "provider",
    "prompt": "prompt",
    "endpoint": "endpoint",
    "context loss": "verdict",
}
# Each as a sum over calls; a mean is that divided by how many calls the third part counts.
_MEASURES: Final = {
    "cost": ("sum(cost_nano) / 1e9", "USD", False),
    "calls": ("count(*)::DOUBLE", "calls", False),
    "tokens": ("sum(input_tokens + coalesce(output_tokens, 0))::DOUBLE", "tokens", False),
    "errors": ("count(*) FILTER (WHERE error <> '')::DOUBLE", "share of calls", True),
    "latency": ("sum(duration_us) / 1000.0", "ms", True),
    "output": ("sum(output_tokens)::DOUBLE", "tokens per call", True),
}
_AGAINST: Final = {"week": "the same time a week before", "before": "the time just before"}


def _shift(chosen: Chosen) -> int:
    return WEEK_US if chosen.words["against"] == "week" else chosen.to_us - chosen.from_us


def _spans(chosen: Chosen) -> tuple[tuple[int, int], ...]:
    length, shift = chosen.to_us - chosen.from_us, _shift(chosen)
    before = chosen.from_us - max(shift, length if length > WEEK_US else shift)
    return (before, before + length), (chosen.from_us, chosen.to_us)


def _statement(chosen: Chosen) -> str:
    measure, _, _ = _MEASURES[chosen.words["measure"]]
    columns = [_COLUMNS[name] for name in DIMENSIONS]
    sets = ", ".join(["(later)", *(f"(later, {column})" for column in columns)])
    names = ", ".join(columns)
    which = ", ".join(f"grouping({column})" for column in columns)
    # One pass over the calls, and the sums of each dimension from what that leaves.
    return f""", summed AS (SELECT ended_us >= {chosen.from_us} AS later, {names}, count(*) AS calls,
        {measure} AS measured FROM calls WHERE {chosen.where} GROUP BY ALL)
        SELECT later, [{which}] AS left_out, [{names}] AS names, sum(calls)::BIGINT AS calls,
        coalesce(sum(measured), 0) AS measured FROM summed GROUP BY GROUPING SETS ({sets})"""  # noqa: S608  # words are ours


def _rows(found: Sequence[Row], chosen: Chosen) -> list[Row]:
    _, _, mean = _MEASURES[chosen.words["measure"]]
    totals: dict[bool, tuple[int, float]] = {False: (0, 0.0), True: (0, 0.0)}
    cells: dict[str, dict[str, dict[bool, tuple[int, float]]]] = {name: {} for name in DIMENSIONS}
    for row in found:
        place = [at for at, gone in enumerate(row["left_out"]) if not gone]
        cell = (row["calls"], float(row["measured"]))
        if not place:
            totals[row["later"]] = cell
        else:
            value = row["names"][place[0]] or ""
            cells[DIMENSIONS[place[0]]].setdefault(value, {})[row["later"]] = cell
    if not totals[False][0] or not totals[True][0]:
        return []
    explained = [
        each
        for dimension, values in cells.items()
        if len(values) > 1
        for each in _explained(dimension, values, totals, mean=mean)
    ]
    # Where two explain it about as well, such as a provider and its only target, the finer one is the better.
    explained.sort(
        key=lambda each: (-round(each["score"] * _STEPS), DIMENSIONS.index(each["dimension"]), each["name"])
    )
    return [_whole(totals, mean=mean), *explained[: chosen.numbers["limit"]]]


def _explained(
    dimension: str,
    values: Mapping[str, Mapping[bool, tuple[int, float]]],
    totals: Mapping[bool, tuple[int, float]],
    *,
    mean: bool,
) -> Iterable[Row]:
    (calls_before, sum_before), (calls_after, sum_after) = totals[False], totals[True]
    before_all = sum_before / calls_before if mean else sum_before
    change = (sum_after / calls_after if mean else sum_after) - before_all
    moved: list[tuple[str, float, float, tuple[int, float], tuple[int, float]]] = []
    for name, cell in values.items():
        before, after = cell.get(False, (0, 0.0)), cell.get(True, (0, 0.0))
        if mean:
            part = (after[1] - after[0] * before_all) / calls_after
            part -= (before[1] - before[0] * before_all) / calls_before
            weight = before[0] / calls_before
        else:
            part = after[1] - before[1]
            weight = before[1] / sum_before if sum_before else 0.0
        moved.append((name, part, weight, before, after))
    everything = sum(abs(part) for _, part, _, _, _ in moved)
    for name, part, weight, before, after in moved:
        yield {
            "dimension": dimension,
            "name": name,
            "before": _measured(before, mean=mean),
            "after": _measured(after, mean=mean),
            "contribution": part,
            "share": part / change if change else 0.0,
            "calls_before": before[0],
            "calls_after": after[0],
            "score": _score(part, everything, weight, change),
        }


def _score(part: float, everything: float, weight: float, change: float) -> float:
    if not everything or part * change <= 0:
        return -1.0
    return abs(part) / everything - weight


def _whole(totals: Mapping[bool, tuple[int, float]], *, mean: bool) -> Row:
    before, after = totals[False], totals[True]
    was, now = _measured(before, mean=mean) or 0.0, _measured(after, mean=mean) or 0.0
    return {
        "dimension": "all",
        "name": "all",
        "before": was,
        "after": now,
        "contribution": now - was,
        "share": 1.0,
        "calls_before": before[0],
        "calls_after": after[0],
        "score": 0.0,
    }


def _measured(cell: tuple[int, float], *, mean: bool) -> float | None:
    calls, total = cell
    if not mean:
        return total
    return total / calls if calls else None


def _tell(rows: Sequence[Row], chosen: Chosen) -> str:
    against = _AGAINST[chosen.words["against"]]
    if not rows:
        return f"There are not calls both in that time and in {against}, so nothing can be compared."
    measure = chosen.words["measure"]
    whole = rows[0]
    was, now = _figure(whole["before"], measure), _figure(whole["after"], measure)
    moved = whole["contribution"]
    if not moved:
        return f"{measure.capitalize()} did not change against {against}: {now}."
    more = f" ({moved / whole['before']:+.0%})" if whole["before"] else ""
    said = f"{measure.capitalize()} {'rose' if moved > 0 else 'fell'} from {was} to {now}{more} against {against}"
    best = rows[1] if len(rows) > 1 and rows[1]["score"] > 0 else None
    if best is None:
        return f"{said}; no one value explains it better than its size does."
    return (
        f"{said}; {best['dimension']} {shown(best['name'])} explains it best: {best['share']:.0%} of the change, "
        f"from {_figure(best['before'], measure)} to {_figure(best['after'], measure)}."
    )


def _figure(value: Any, measure: str) -> str:
    if value is None:
        return "none"
    _, unit, _ = _MEASURES[measure]
    match unit:
        case "share of calls":
            return f"{value:.2%}"
        case "USD":
            return f"{value:,.2f} USD"
    return f"{value:,.0f} {unit}"


CHANGE: Final = Question(
    name="change",
    doc="What changed against a time before, and which value of which dimension explains it best; best first.",
    choices=(
        Choice(name="measure", doc="what to compare", words=tuple(_MEASURES), default="cost"),
        Choice(
            name="against",
            doc="a week before, or the time just before",
            words=tuple(_AGAINST),
            default="week",
        ),
        limit(20),
    ),
    columns=(
        Column("dimension"),
        Column("name"),
        Column("before", "of the measure"),
        Column("after", "of the measure"),
        Column("contribution", "of the measure"),
        Column("share", "1"),
        Column("calls_before"),
        Column("calls_after"),
        Column("score", "1"),
    ),
    statement=_statement,
    tell=_tell,
    spans=_spans,
    rows=_rows,
)
