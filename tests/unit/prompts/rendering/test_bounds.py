"""Templates against their bounds: nothing of Python is reached, nothing missing is passed over, nothing runs on."""

import re
from typing import Any

import minijinja
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llmgw.prompts.rendering import limits, scan
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types.message import TextPart
from llmgw.types.prompt import Include, PromptContent, TemplateMessage
from llmgw.types.prompt_errors import TemplateError, TemplateTooComplex

METHODS = sorted({name for name in (*dir(dict), *dir(list)) if not name.startswith("_")})


def told(template: str, variables: dict[str, Any] | None = None, **includes: str) -> str:
    """Render one template."""
    pinned = {name: Include(version=1, hash="sha256:0", text=text) for name, text in includes.items()}
    content = PromptContent(messages=(TemplateMessage(role="user", text=template),), includes=pinned)
    (part,) = compile_prompt(content).render(variables or {}).before[0].parts
    assert isinstance(part, TextPart)
    return part.text


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_python_is_no_member(name: str) -> None:
    """A member called like a method is there if the variables have it, and undefined like any other if not."""
    there = {"d": {name: [1]}, "none": {}, "l": []}
    assert told(f"{{{{ d.{name} }}}}{{{{ d.{name}[0] + 1 }}}}", there) == "[1]2"
    for owner in ("none", "l"):
        assert (
            told(f"{{{{ {owner}.{name} is defined }}}}{{{{ {owner}.{name}|default('-') }}}}", there)
            == "false-"
        )
        for use in ("", "|string", "|upper", "|tojson", "|list", " ~ ''", "|first"):
            with pytest.raises(TemplateError, match=r"undefined|got nothing"):
                told(f"{{{{ {owner}.{name}{use} }}}}", there)
        with pytest.raises(TemplateError, match="undefined"):
            told(f"{{% if {owner}.{name} %}}x{{% endif %}}", there)


@pytest.mark.parametrize("name", METHODS)
def test_no_address_is_told(name: str) -> None:
    """However a method is asked for, no template writes where an object lies in the gateway's memory."""
    for member in (f"d.{name}", f"d['{name}']", "d[k]", f"l.{name}", f"l['{name}']"):
        for use in ("", "|string", " ~ ''", "|tojson", "|join", "|default('x')|string", "|list"):
            try:
                text = told(f"{{{{ {member}{use} }}}}", {"d": {}, "l": [], "k": name})
            except TemplateError:
                continue
            assert "0x" not in text


@pytest.mark.parametrize(
    "use",
    [
        "|length",
        "|tojson",
        "|join",
        "|string",
        "|bool",
        "|upper",
        "|list",
        "|map(attribute='a')",
        " ~ 'a'",
        " == 1",
    ],
)
@pytest.mark.parametrize("missing", ["typo", "user.typo", "user['typo']"])
def test_what_is_missing_is_never_passed_over(use: str, missing: str) -> None:
    """A filter or an operator takes what is missing for no value: `length` of it is not 0, `tojson` not null."""
    with pytest.raises(TemplateError, match="message 1, line 1: "):
        told(f"{{{{ {missing}{use} }}}}", {"user": {"name": "Ada"}})


def test_an_error_names_what_is_undefined() -> None:
    """Whoever reads an error knows the variable, the message, the partial and its line."""
    with pytest.raises(TemplateError, match=re.escape("message 1, line 2: user.typo is undefined")):
        told("\n{{ user.typo }}", {"user": {}})
    with pytest.raises(
        TemplateError, match=re.escape("line 2: cannot include the partial p, see its line 3: typo is")
    ):
        told("\n{% include 'p' %}", p="\n\n{{ typo }}")
    with pytest.raises(
        TemplateError, match=re.escape("message 1, line 3: filter upper: it needs a text, and got list")
    ):
        told("\n\n{{ user|upper }}", {"user": ["SECRET"]})
    with pytest.raises(TemplateError, match=re.escape("see its line 2: filter first: it is empty")):
        told("{% include 'a' %}", {"l": []}, a="{% include 'b' %}", b="\n{{ l|first }}")


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{{ l|join(', ') }}", 'a, 1, true, null, {"b":[]}'),
        ("{{ 'x' ~ true ~ l[4] ~ 1.5 }}", 'xtrue{"b":[]}1.5'),
        ("{{ o|string }}|{{ true|string }}", '{"b":[]}|true'),
        ("{{ '<é>'|tojson }}", '"<é>"'),
        ("{{ (1 + 1) ~ '-' ~ ('a'|upper) }}", "2-A"),
        ("{{ 'a' ~ 'b'|upper ~ 'c' == 'aBc' }}", "true"),
        ("{{ 'a' ~ 'b' if true else 'c' ~ 'd' }}", "ab"),
        ("{{ ('a' ~ 'b')|upper }}", "AB"),
        ("{{ docs|selectattr('on')|map(attribute='t')|join }}", "AC"),
        ("{{ docs|rejectattr('n', 'gt', 1)|map(attribute='t')|join }}", "AB"),
        ("{{ docs|selectattr('x', 'undefined')|list|length }}", "3"),
        ("{{ [1, 2, 3]|select('odd')|join }}{{ [1, 2]|reject('eq', 1)|join }}", "132"),
        ("{{ docs|sort(attribute='n', reverse=true)|map(attribute='t')|join }}", "CAB"),
        ("{{ ['b', 'A', 'c']|sort|join }}{{ ['b', 'A']|sort(case_sensitive=true)|join }}", "AbcAb"),
        ("{{ {'b': 1, 'a': 2}|dictsort }}", '[["a",2],["b",1]]'),
        ("{{ ['a', 'A', 'b']|unique|join }}", "ab"),
        ("{{ 'it\\'s a dog'|title }}", "It's A Dog"),
        ("{{ 'one two three'|truncate(9, leeway=0) }}", "one..."),
        ("{{ 'a\\n\\nb'|indent(2) }}", "a\n\n  b"),
        ("{{ docs|map(attribute='o.p')|sum }}", "6"),
        ("{{ '3'|int + 1 }}{{ '0.5'|float }}{{ 2.567|round(1) }}", "40.52.6"),
        ("{{ 'a,b'|split(',')|last }}{{ 'a\\nb'|lines|first }}", "ba"),
    ],
)
def test_filters_write_json_and_know_jinja(template: str, written: str) -> None:
    """Wherever a value becomes text it is JSON, and filters do what users of Jinja expect."""
    variables = {
        "l": ["a", 1, True, None, {"b": []}],
        "o": {"b": []},
        "docs": [
            {"t": "A", "n": 1, "on": True, "o": {"p": 1}},
            {"t": "B", "n": 1, "on": False, "o": {"p": 2}},
            {"t": "C", "n": 2, "on": 1, "o": {"p": 3}},
        ],
    }
    assert told(template, variables) == written


OBJECT = {f"{number:x}": number % 10 for number in range(20_000)}
SLOW = [
    "o|items",
    "o|list",
    "o|dictsort",
    "o|items|first",
    "o|unique",
    "o|items|list|length",
]


@pytest.mark.parametrize("slow", SLOW)
@pytest.mark.parametrize(
    "template",
    [
        "{{% for i in range(9000) if {} and false %}}{{% endfor %}}",
        "{{% for i in range(9000) %}}{{% if {} %}}{{% endif %}}{{% endfor %}}",
    ],
)
def test_a_filter_over_a_large_object_is_stopped(slow: str, template: str) -> None:
    """The engine takes a filter for one step, however much it looks at: the clock and what it made do not."""
    with pytest.raises(TemplateTooComplex, match=r"it takes more than 0\.1 s|filters make more than"):
        told(template.format(slow), {"o": OBJECT})


@pytest.mark.parametrize(
    "template",
    [
        "{% set a = l * 90 %}{% set a = a * 90 %}{{ a }}",
        "{% set a = 90 * l %}{{ a|length }}",
        "{{ 'a' * 9 }}",
        "{{ 2 ** 9 }}",
        "{% set a = l + l %}{{ a }}",
        "{{ (l, l) }}",
        "{{ [l] }}",
        "{{ {'a': l} }}",
        "{% for i in l recursive %}{% endfor %}",
        "{{ loop }}",
        "{% for i in l %}{{ loop ~ '' }}{% endfor %}",
        "{{ range }}",
        "{{ 1 if false }}",
        "{{ llmgw_at(1) }}",
        "{% set llmgw_at = 1 %}",
        "{% for llmgw_text in l %}{% endfor %}",
        "{% set loop = 1 %}",
        "{% raw x %}{% endraw %}",
        "{% endraw %}",
        "{% if l == m and " + " and ".join(["l == m"] * limits.COMPARISONS_MAX) + " %}{% endif %}",
        "{% set a = 1 %}" * (limits.NAMES_MAX + 1),
    ],
)
def test_values_that_nothing_counts_are_not_made(template: str) -> None:
    """What would multiply values without copying them, or take the engine's own things for values, is refused."""
    with pytest.raises(TemplateError):
        told(template, {"l": [1], "m": [1]})
    assert scan.problems(template)


@pytest.mark.parametrize("name", [limits.AT, limits.TEXT, limits.TOLD, limits.HAS, limits.MISSING])
def test_no_variable_takes_the_meters_place(name: str) -> None:
    """A variable called like a function of the meter is refused, and so cannot switch it off."""
    with pytest.raises(TemplateTooComplex):
        told("{{ x }}", {"x": 1, name: 1})


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a"}, object(), b"x", float("nan"), float("inf"), 2**64, [[-(2**63) - 1]]]
)
def test_variables_are_json(value: Any) -> None:
    """What no JSON can say, or the engine would round, never reaches a template."""
    with pytest.raises(TemplateTooComplex):
        told("{{ x }}", {"x": value})


def test_compiling_is_bounded_over_all_messages() -> None:
    """Many messages of many tags are refused before the engine compiles them all."""
    messages = tuple(TemplateMessage(role="user", text="{{ 1 }}" * 4_000) for _ in range(4))
    with pytest.raises(TemplateTooComplex, match="message 4 has too many tags"):
        compile_prompt(PromptContent(messages=messages))


def test_partials_in_loops_are_counted_each_time() -> None:
    """Text of a partial counts as often as it is told."""
    with pytest.raises(TemplateTooComplex, match=r"comes to more than|too many steps"):
        told("{% for i in l %}{% include 'p' %}{% endfor %}", {"l": [0] * 200}, p="x" * 9_000)


PIECES = st.sampled_from([
    *" \n{}%#a", "\t\u00a0", "é \u2003", "\u200b\x1c ", " b\n ", "\r\n", "{{ x }}", "{{- x }}", "{{ x -}}",
    "{{- x -}}", "{{+ x }}", "{# c #}", "{#- c -#}", "{#-#}", "{% if x %}", "{%- if x -%}", "{% endif %}",
    "{%- endif -%}", "{% raw %}", "{% raw -%} ", " {%- endraw %}", "{%- endraw -%}", "{% for i in l -%}",
    "{%- endfor %}", "{% set y = 1 -%}", "{%- else -%}", "{{ '{{ \\u0041 %}' }}", "{{ 'é' ~ x }}",
])  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
@example("a {#- c -#} b{%- raw -%} {{ x }} {%- endraw -%} c")
@example("{% for i in l -%} a {% raw %} b {% endraw %}{%- endfor %}\n")
@example("{% raw %}{{ x }}{#{% endraw %}")
@example("a {#-#} b")
def test_what_is_spelled_anew_reads_the_same(template: str) -> None:
    """Text, marks for space, comments, raw parts and literals come out just as the engine itself has them."""
    variables = {"x": "v", "l": ["i", "j"]}
    try:
        written = told(template, variables)
    except TemplateError:
        return
    engine = minijinja.Environment(keep_trailing_newline=True, undefined_behavior="strict")
    assert written == engine.render_str(template, **variables)
