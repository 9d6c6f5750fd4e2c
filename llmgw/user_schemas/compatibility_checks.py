"""Keyword by keyword: what must be known of the old documents for each to fit the new schema."""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.disjoint import Comparison, apart, tagged_apart
from llmgw.user_schemas.facts import TYPES, Fact, Facts, types_named
from llmgw.user_schemas.outline import target
from llmgw.user_schemas.patterns import matcher
from llmgw.user_schemas.wording import rule_of, told

_BEYOND: Final = {
    "minimum": "are less than", "exclusiveMinimum": "are not more than", "maximum": "are more than",
    "exclusiveMaximum": "are not less than",
}  # fmt: skip
_COUNTED: Final = {
    "minLength": "characters", "maxLength": "characters", "minItems": "items", "maxItems": "items",
    "minProperties": "members", "maxProperties": "members",
}  # fmt: skip


_Found: TypeAlias = Iterable[Violation]
_Check: TypeAlias = Callable[[Comparison, Facts, Fact, str], _Found]


def problem(goal: Fact, keyword: str, message: str, *steps: str | int) -> Violation:
    """Say that a keyword of the new schema does not follow."""
    pointer = f"{goal.pointer}/{keyword}" if keyword else goal.pointer
    return Violation(
        rule=f"compatibility.{rule_of(keyword or 'value')}",
        pointer=pointer + pointer_to(*steps),
        message=message,
    )


def _within(goal: Fact, *steps: str | int) -> Fact:
    return Fact(goal.side, goal.pointer + pointer_to(*steps))


def _type(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    known = on.read.types(facts)
    if missing := known - types_named(on.read.schema(goal)[keyword]):
        names = sorted({"number" if each == "fraction" else each for each in missing})
        kinds = f"values of type {' or '.join(names)}" if known < TYPES else "values of any type"
        yield problem(goal, keyword, f"{kinds} fitted here, and do not now")


def _listed(_: Comparison, __: Facts, goal: Fact, keyword: str) -> _Found:
    yield problem(goal, keyword, "values fitted here that are not listed now")


def _lower(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    bound = on.read.schema(goal)[keyword]
    known = [(value, 0) for value in on.read.stated(facts, "minimum")]
    known += [(value, 1) for value in on.read.stated(facts, "exclusiveMinimum")]
    if not known or max(known) < (bound, int(keyword == "exclusiveMinimum")):
        yield problem(goal, keyword, f"numbers fitted here that {_BEYOND[keyword]} {told(bound)}")


def _upper(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    bound = on.read.schema(goal)[keyword]
    known = [(value, 0) for value in on.read.stated(facts, "maximum")]
    known += [(value, -1) for value in on.read.stated(facts, "exclusiveMaximum")]
    if not known or min(known) > (bound, -int(keyword == "exclusiveMaximum")):
        yield problem(goal, keyword, f"numbers fitted here that {_BEYOND[keyword]} {told(bound)}")


def _multiple(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    step = on.read.schema(goal)[keyword]
    known = on.read.stated(facts, keyword)
    if "fraction" not in on.read.types(facts):
        known = [*known, 1]
    # Of fractions only the same one is sure: whether 0.3 is a multiple of 0.1 depends on who computes it.
    if not any(each == step or (_whole(each) and _whole(step) and each % step == 0) for each in known):
        yield problem(goal, keyword, f"numbers fitted here that are no multiples of {told(step)}")


def _least(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    least = on.read.schema(goal)[keyword]
    known = max(on.read.stated(facts, keyword), default=0)
    if keyword == "minProperties":
        known = max(known, len(on.read.required(facts)))
    if known < least:
        yield problem(goal, keyword, f"there could be fewer than {told(least)} {_COUNTED[keyword]}")


def _most(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    most = on.read.schema(goal)[keyword]
    known = min(on.read.stated(facts, keyword), default=float("inf"))
    only = on.read.only_names(facts) if keyword == "maxProperties" else None
    if keyword == "maxItems":
        known = on.read.most_items(facts)
    elif only is not None:
        known = min(known, len(only))
    if known > most:
        yield problem(goal, keyword, f"there could be more than {told(most)} {_COUNTED[keyword]}")


def _pattern(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    if on.read.schema(goal)[keyword] not in on.read.stated(facts, keyword):
        yield problem(goal, keyword, "texts of any other pattern fitted here")


def _unique(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    known = True in on.read.stated(facts, keyword) or on.read.most_items(facts) <= 1
    if on.read.schema(goal)[keyword] and not known:
        yield problem(goal, keyword, "there could be equal items")


def _required(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    known = on.read.required(facts)
    for number, name in enumerate(on.read.schema(goal)[keyword]):
        if name not in known:
            yield problem(goal, keyword, f"the member {told(name)} could be missing", number)


def _dependent_required(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    always = on.read.required(facts)
    sometimes = on.read.stated(facts, keyword)
    for name, wanted in on.read.schema(goal)[keyword].items():
        missing = set(wanted) - always - {each for stated in sometimes for each in stated.get(name, ())}
        if missing and _may_be_there(on, facts, name):
            yield problem(goal, keyword, f"members wanted beside {told(name)} could be missing", name)


def _dependent_schemas(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    for name in on.read.schema(goal)[keyword]:
        known = [
            _within(fact, keyword, name) for fact in facts if name in on.read.schema(fact).get(keyword, ())
        ]
        if _may_be_there(on, facts, name):
            yield from on.fails([*facts, *known], _within(goal, keyword, name))


def _may_be_there(on: Comparison, facts: Facts, name: str) -> bool:
    return on.read.all(on.read.member(facts, name)) is not None


def _properties(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    only = on.read.only_names(facts)
    for name in on.read.schema(goal)[keyword]:
        if only is not None and name not in only:
            continue
        known, part = on.read.member(facts, name), _within(goal, keyword, name)
        if known:
            yield from on.fails(known, part)
        elif not on.holds((), part):
            yield problem(part, "", "a member of this name could be anything: the object was open to it")


def _pattern_properties(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    for pattern in on.read.schema(goal)[keyword]:
        part = _within(goal, keyword, pattern)
        for name in on.read.named(facts):
            on.read.spend(0.01)
            if matcher(pattern).is_valid(name):
                yield from on.fails(on.read.member(facts, name), part)
        known = [
            _within(fact, keyword, pattern)
            for fact in facts
            if pattern in on.read.schema(fact).get(keyword, ())
        ]
        if on.read.only_names(facts) is None and not _of_unnamed(on, facts, known, (), part):
            yield problem(goal, keyword, "members whose names match could be of another form", pattern)


def _additional(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    schema = on.read.schema(goal)
    names = set(schema.get("properties", ()))
    yield from _of_others(on, facts, _within(goal, keyword), names, list(schema.get("patternProperties", ())))


def _unevaluated_properties(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    looked_at = on.read.looked_at(goal)
    if looked_at is not None:
        yield from _of_others(on, facts, _within(goal, keyword), *looked_at)


def _of_others(on: Comparison, facts: Facts, part: Fact, names: set[str], patterns: list[str]) -> _Found:
    """Look at the members that the new schema does not name."""
    for name in on.read.named(facts):
        on.read.spend(0.01 * len(patterns))
        if name in names or any(matcher(pattern).is_valid(name) for pattern in patterns):
            continue
        if not on.holds(on.read.member(facts, name), part):
            yield problem(part, "", f"the member {told(name)} fitted here, and does not now")
    if on.read.only_names(facts) is None and not _of_unnamed(on, facts, [], patterns, part):
        yield problem(part, "", "members of any other name fitted here, and do not now")


def _of_unnamed(on: Comparison, facts: Facts, known: list[Fact], besides: Iterable[str], part: Fact) -> bool:
    """Whether members fit that no fact names, and that match none of the patterns `besides`."""
    return on.holds(known, part) or any(
        all(on.holds([*known, case] if case else known, part) for case in on.read.unnamed(fact, besides))
        for fact in facts
    )


def _names(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    part = _within(goal, keyword)
    only = on.read.only_names(facts)
    if only is None:
        yield from on.fails(on.read.naming(facts), part)
    elif not all(on.fits(part, name) for name in only):
        yield problem(goal, keyword, "members of other names could be there")


def _prefix_items(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    for number in range(len(on.read.schema(goal)[keyword])):
        if number < on.read.most_items(facts):
            yield from on.fails(on.read.item(facts, number), _within(goal, keyword, number))


def _items(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    schema = on.read.schema(goal)
    if keyword == "unevaluatedItems" and "items" in schema:
        return
    # That what other schemas have looked at is not asked for is left aside: so more is asked for than need be.
    first = len(schema.get("prefixItems", ()))
    after = max(first, on.read.prefix(facts))
    most = on.read.most_items(facts)
    for number in (*range(first, after), after):
        if number < most:
            yield from on.fails(on.read.item(facts, number), _within(goal, keyword))


def _contains(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    schema = on.read.schema(goal)
    least, most = schema.get("minContains", 1), schema.get("maxContains", float("inf"))
    part = _within(goal, keyword)
    known = [
        (_within(fact, keyword), on.read.schema(fact)) for fact in facts if keyword in on.read.schema(fact)
    ]
    enough = (
        found for found, says in known if says.get("minContains", 1) >= least and on.holds([found], part)
    )
    if least > 0 and not any(True for _ in enough):
        yield problem(goal, keyword, "there could be too few such items")
    few = (
        found
        for found, says in known
        if says.get("maxContains", float("inf")) <= most and on.holds([part], found)
    )
    if on.read.most_items(facts) > most and not any(True for _ in few):
        yield problem(goal, "maxContains", "there could be more such items")


def _all_of(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    for part in on.read.within(goal, keyword):
        yield from on.fails(facts, part)


def _reference(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    return on.fails(facts, Fact(goal.side, target(on.read.schema(goal)[keyword])))


def _any_of(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    if not any(on.holds(facts, form) for form in _forms(on, facts, goal, keyword)):
        yield problem(goal, keyword, "what fitted here need not fit any of these forms")


def _one_of(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    forms = _forms(on, facts, goal, keyword)
    if any(_same_forms(on, forms, on.read.within(fact, keyword)) for fact in facts):
        return
    message = "what fitted here need not fit any of these forms"
    for one in forms:
        if on.holds(facts, one):
            if all(_forms_apart(on, facts, one, form) for form in forms if form != one):
                return
            message = "what fitted here could fit several of these forms, which nothing tells apart"
    yield problem(goal, keyword, message)


def _forms(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> list[Fact]:
    """The forms of a choice; first those that stand where what is known stands in the old schema."""
    places = {fact.pointer for fact in facts}
    return sorted(
        on.read.within(goal, keyword),
        key=lambda form: form.pointer not in places and on.read.led(form).pointer not in places,
    )


def _forms_apart(on: Comparison, facts: Facts, one: Fact, other: Fact) -> bool:
    pair = (one, other)
    if pair not in on.told_apart:
        found = tagged_apart(on, one, other) or apart(on, [one], [other])
        on.told_apart[pair] = on.told_apart[other, one] = found
    return on.told_apart[pair] or apart(on, [*facts, one], [other])


def _same_forms(on: Comparison, forms: list[Fact], others: list[Fact]) -> bool:
    """Whether both are the same forms, in whatever order."""
    if len(forms) != len(others):
        return False
    alike: dict[int, tuple[list[Fact], list[Fact]]] = {}
    for side, parts in enumerate((forms, others)):
        for part in parts:
            alike.setdefault(on.equal.fingerprint(part), ([], []))[side].append(part)
    return all(
        sum(on.equal.same(form, each) for each in here) == sum(on.equal.same(form, each) for each in there)
        for here, there in alike.values()
        for form in here
    )


def _not(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    part = _within(goal, keyword)
    known = (_within(fact, keyword) for fact in facts if keyword in on.read.schema(fact))
    if not any(on.holds([part], each) for each in known) and not apart(on, facts, [part]):
        yield problem(goal, keyword, "what fitted here could be of the form that is excluded")


def _if(on: Comparison, facts: Facts, goal: Fact, keyword: str) -> _Found:
    schema = on.read.schema(goal)
    condition = _within(goal, keyword)
    alike = [
        fact
        for fact in facts
        if keyword in on.read.schema(fact) and on.equal.same(_within(fact, keyword), condition)
    ]
    for branch, also in (("then", [condition]), ("else", [])):
        known = [_within(fact, branch) for fact in alike if branch in on.read.schema(fact)]
        if branch in schema:
            yield from on.fails([*facts, *also, *known], _within(goal, branch))


def _whole(number: float) -> bool:
    return float(number).is_integer()


CHECKS: Final[dict[str, _Check]] = {
    "$ref": _reference,
    "additionalProperties": _additional,
    "allOf": _all_of,
    "anyOf": _any_of,
    "const": _listed,
    "contains": _contains,
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
    "enum": _listed,
    "exclusiveMaximum": _upper,
    "exclusiveMinimum": _lower,
    "if": _if,
    "items": _items,
    "maxItems": _most,
    "maxLength": _most,
    "maxProperties": _most,
    "maximum": _upper,
    "minItems": _least,
    "minLength": _least,
    "minProperties": _least,
    "minimum": _lower,
    "multipleOf": _multiple,
    "not": _not,
    "oneOf": _one_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "prefixItems": _prefix_items,
    "properties": _properties,
    "propertyNames": _names,
    "required": _required,
    "type": _type,
    "unevaluatedItems": _items,
    "unevaluatedProperties": _unevaluated_properties,
    "uniqueItems": _unique,
}
"""How each keyword of a new schema is looked at; those that are not here say nothing by themselves."""
