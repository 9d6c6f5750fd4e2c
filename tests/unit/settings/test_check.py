"""Every way a file can be wrong, and how it is told."""

from collections.abc import Callable
from typing import Any

import pytest
from llmgw.providers.registry import ROWS
from llmgw.settings.check import RESERVED_HEADERS

Problems = Callable[..., list[str]]


def _provider(member: str) -> str:
    return f"providers:\n  p:\n    kind: openai\n    {member}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sever: {}", 'line 1: sever: unknown key; did you mean "server"?'),
        ("server:\n  prt: 1", 'line 2: server.prt: unknown key; did you mean "port"?'),
        ("server:\n  xyzzy: 1", "line 2: server.xyzzy: unknown key"),
        ("auth: {mod: none}", 'line 1: auth.mod: unknown key; did you mean "mode"?'),
        (_provider("apikey: x"), 'line 4: providers.p.apikey: unknown key; did you mean "api_key"?'),
        (
            _provider("timeouts: {conect_s: 3}"),
            'providers.p.timeouts.conect_s: unknown key; did you mean "connect_s"?',
        ),
        (_provider("protocol: openai"), "line 4: providers.p.protocol: unknown key"),
        (
            "aliases:\n  a:\n    targets:\n    - {target: p/m, wight: 2}",
            'targets[0].wight: unknown key; did you mean "weight"?',
        ),
    ],
)
def test_unknown_keys_are_errors_with_a_suggestion(problems: Problems, text: str, expected: str) -> None:
    """A mistyped setting never goes unnoticed."""
    assert any(problem.endswith(expected) for problem in problems(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server: 8080", "line 1: server: expected a mapping, got a number"),
        ("server: []", "line 1: server: expected a mapping, got a list"),
        ("providers: [openai]", "line 1: providers: expected a mapping, got a list"),
        ("providers: {p: openai}", "line 1: providers.p: expected a mapping, got text"),
        ("providers: {p: }", "line 1: providers.p.kind: is required"),
        ("server: {host: 1}", "line 1: server.host: expected text, got a number: put it in quotes"),
        ("server: {host: on}", "line 1: server.host: expected text, got true or false: put it in quotes"),
        ("server: {host: }", "line 1: server.host: expected text, got nothing"),
        ("server: {host: ''}", "line 1: server.host: must be 1 to 253 characters long"),
        ("server: {port: 0}", "line 1: server.port: expected a whole number from 1 to 65535"),
        ("server: {port: 65536}", "line 1: server.port: expected a whole number from 1 to 65535"),
        ("server: {port: 80.5}", "line 1: server.port: expected a whole number from 1 to 65535"),
        ("server: {port: true}", "expected a whole number from 1 to 65535, got true or false"),
        ("server: {port: }", "line 1: server.port: expected a whole number from 1 to 65535, got nothing"),
        ("server: {port: [1]}", "line 1: server.port: expected a whole number from 1 to 65535, got a list"),
        ("server: {workers: -1}", "line 1: server.workers: expected a whole number from 1 to 256"),
        ("server: {ping_s: 0}", "line 1: server.ping_s: expected a number over 0 and up to 86400"),
        ("server: {ping_s: .nan}", "line 1: server.ping_s: expected a number over 0 and up to 86400"),
        ("server: {ping_s: .inf}", "line 1: server.ping_s: expected a number over 0 and up to 86400"),
        ("server: {hold_s: -1}", "line 1: server.hold_s: expected a number from 0 to 86400"),
        ("state: {dir: ''}", "line 1: state.dir: expected a path"),
        ('state: {dir: "a\\0b"}', "line 1: state.dir: expected a path"),
        ("state: {dir: 7}", "line 1: state.dir: expected text, got a number: put it in quotes"),
        ("state: {fsync: allways}", 'expected one of everysec, always; did you mean "always"?'),
        ("state: {fsync: true}", "expected one of everysec, always; got true or false"),
        ("auth: {mode: keyz}", 'line 1: auth.mode: expected one of keys, none; did you mean "keys"?'),
        ("auth: {pepper: 123}", "line 1: auth.pepper: expected text, got a number: put it in quotes"),
        ("telemetry: {sample: 1.5}", "line 1: telemetry.sample: expected a number from 0 to 1"),
        ("telemetry: {sample: all}", "line 1: telemetry.sample: expected a number from 0 to 1, got text"),
        ("telemetry: {propagate_to_providers: 1}", "expected true or false, got a number"),
        ("telemetry: {propagate_to_providers: 'no'}", "expected true or false, got text"),
        ("telemetry: {log_level: inf}", 'did you mean "info"?'),
        (
            _provider("timeouts: {total_s: 0}"),
            "providers.p.timeouts.total_s: expected a number over 0 and up to 86400",
        ),
        (_provider("max_concurrency: 0"), "max_concurrency: expected a whole number from 1 to 1000000"),
        (
            _provider("headers: {X-A: 1}"),
            "providers.p.headers.X-A: expected text, got a number: put it in quotes",
        ),
        (_provider("features: {add: [tool]}"), 'did you mean "tools"?'),
        (_provider("features: {add: tools}"), "providers.p.features.add: expected a list, got text"),
        (_provider("auth: bear"), 'did you mean "bearer"?'),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused(problems: Problems, text: str, expected: str) -> None:
    """The message says what was expected, never what was written."""
    (problem,) = problems(text)
    assert problem.endswith(expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("opnai", 'line 1: providers.p.kind: unknown kind "opnai"; did you mean "openai"?'),
        ("OpenAI", 'line 1: providers.p.kind: unknown kind "OpenAI"; did you mean "openai"?'),
        ("qqqqqqq", "line 1: providers.p.kind: unknown kind"),
    ],
)
def test_an_unknown_kind_is_refused(problems: Problems, kind: str, expected: str) -> None:
    """A kind is a registry row; a word unlike any of them is not repeated."""
    assert [expected] == problems(f"providers: {{p: {{kind: {kind}}}}}")


@pytest.mark.parametrize("name", ["a/b", "-a", "a b", "ä", "''", "x" * 65])
def test_provider_names_are_plain_words(problems: Problems, name: str) -> None:
    """A provider's name is the first half of `provider/model`."""
    (problem,) = problems(f"providers: {{{name}: {{kind: openai}}}}")
    assert "a provider's name is up to 64 letters" in problem


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://a.example/v1", "must start with http:// or https://"),
        ("a.example/v1", "must start with http:// or https://"),
        ("https:a.example", "must start with http:// or https://"),
        ("file:///etc/passwd", "must start with http:// or https://"),
        ("https://", "is not a URL: its host or port is malformed"),
        ("https://:80/v1", "is not a URL: its host or port is malformed"),
        ("https://a.example:0/v1", "is not a URL: its host or port is malformed"),
        ("https://a.example:99999/v1", "is not a URL: its host or port is malformed"),
        ("https://a.example:x/v1", "is not a URL: its host or port is malformed"),
        ("https://[::1/v1", "is not a URL: its host or port is malformed"),
        ("https://[1.2.3.4]/v1", "is not a URL: its host or port is malformed"),
        ("https://a%2eexample/v1", "is not a URL: its host or port is malformed"),
        ("https://user:hunter2@a.example/v1", "must not hold a user name or password"),
        ("https://hunter2@a.example/v1", "must not hold a user name or password"),
        ("https://a.example\\@b.example", "holds a backslash, a space or a character outside ASCII"),
        ("https://a.example/v 1", "holds a backslash, a space or a character outside ASCII"),
        ("https://ä.example/v1", "holds a backslash, a space or a character outside ASCII"),
        ("https://a.example/v1?key=hunter2", "must not hold a query: use 'query'"),
        ("https://a.example/v1?", "must not hold a query: use 'query'"),
        ("https://a.example/v1#x", "must not hold a fragment"),
        ("https://{resource}.example/v1", "still holds a {placeholder}"),
        ("https://a.example/{account}/v1", "still holds a {placeholder}"),
        ("", "must be 1 to 2048 characters long"),
    ],
)
def test_a_base_url_that_is_none_is_refused(problems: Problems, url: str, expected: str) -> None:
    """Only absolute http(s) URLs without credentials, query or fragment; the text is never repeated."""
    assert [f"line 4: providers.p.base_url: {expected}"] == problems(_provider(f"base_url: {url!r}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://10.1.2.3/v1",
        "http://[::1]:8000/v1",
        "http://localhost:8000",
        "http://vllm_1:8000/v1/",
        "https://a.example/a/b/v1",
        "https://a.example:8443",
    ],
)
def test_private_and_public_base_urls_are_the_operators_right(loaded: Callable[..., Any], url: str) -> None:
    """The operator may name any host."""
    assert url == loaded(_provider(f"base_url: {url!r}")).settings.providers["p"].base_url


def test_a_kind_without_a_usual_place_needs_a_base_url(problems: Problems) -> None:
    """Rows without a URL, or with a placeholder in it, say what to write."""
    text = """providers:
      a: {kind: openai_compatible}
      b: {kind: azure}
    """
    assert [
        'line 2: providers.a.base_url: is required for kind "openai_compatible"',
        'line 3: providers.b.base_url: is required for kind "azure", in the form ' + ROWS["azure"].base_url,
    ] == problems(text)


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS))
def test_headers_the_gateway_owns_are_refused(problems: Problems, name: str) -> None:
    """No configured header replaces the credential or the framing, in any case."""
    (problem,) = problems(_provider(f"headers: {{{name.title()}: x}}"))
    assert "the gateway sets this header" in problem


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("{'X A': v}", "is not a header name"),
        ("{'': v}", "is not a header name"),
        ('{"X\\r\\nA": v}', "is not a header name"),
        ('{X-A: "v\\r\\nB: w"}', "holds a line break or another character that no header can carry"),
        ("{X-A: ä}", "holds a line break or another character that no header can carry"),
        ("{X-A: a, x-a: b}", "header given twice, in another case"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(problems: Problems, headers: str, expected: str) -> None:
    """A header cannot be split in two, nor given twice."""
    (problem,) = problems(_provider(f"headers: {headers}"))
    assert problem.endswith(expected)


@pytest.mark.parametrize("key", ["k\n", "k\r\nX: y", "kä", "k\0"])
def test_a_key_that_no_header_can_carry_is_refused(problems: Problems, key: str) -> None:
    """A line break pasted with a key is found here, not at the first call."""
    (problem,) = problems(_provider("api_key: ${KEY}"), KEY=key)
    assert problem.endswith("no header can carry")


@pytest.mark.parametrize("name", ["key", "api_key", "Api-Key", "access_token"])
def test_a_credential_in_the_query_is_refused(problems: Problems, name: str) -> None:
    """URLs are logged; credentials are not."""
    (problem,) = problems(_provider(f"query: {{{name}: x}}"))
    assert "a credential in a URL ends up in logs" in problem


def test_a_feature_is_not_added_and_removed(problems: Problems) -> None:
    """Contradictions are not resolved by order."""
    (problem,) = problems(_provider("features: {add: [tools], remove: [tools]}"))
    assert problem.endswith("providers.p.features: adds and removes tools at once")


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("{}", "aliases.a.targets: is required"),
        ("{targets: }", "aliases.a.targets: expected a list, got nothing"),
        ("{targets: []}", "aliases.a.targets: needs at least 1"),
        ("{targets: p/m}", "aliases.a.targets: expected a list, got text"),
        ("{targets: [7]}", "aliases.a.targets[0]: expected a mapping or text, got a number"),
        ("{targets: [p/m, {weight: 1}]}", "aliases.a.targets[1].target: is required"),
        (
            "{targets: [p/m, {target: p/m, weight: 0}]}",
            "targets[1].weight: expected a number over 0 and up to 1000000",
        ),
        (
            "{targets: [p/m, {target: p/m, weight: -1}]}",
            "targets[1].weight: expected a number over 0 and up to 1000000",
        ),
        (
            "{targets: [p/m, {target: p/m, weight: .nan}]}",
            "targets[1].weight: expected a number over 0 and up to 1000000",
        ),
        ("{targets: [m]}", "aliases.a.targets[0]: a target is written provider/model, without spaces"),
        ("{targets: [p/]}", "aliases.a.targets[0]: a target is written provider/model, without spaces"),
        ("{targets: [/m]}", "aliases.a.targets[0]: a target is written provider/model, without spaces"),
        ("{targets: [p/m n]}", "aliases.a.targets[0]: a target is written provider/model, without spaces"),
        ("{targets: ['']}", "aliases.a.targets[0]: a target is written provider/model, without spaces"),
        ("{targets: [p/m, pp/m]}", 'aliases.a.targets[1]: unknown provider "pp"; did you mean "p"?'),
        ("{targets: [p/m, {target: other/m}]}", "aliases.a.targets[1]: unknown provider"),
        ("{strategy: wieghted, targets: [p/m]}", 'did you mean "weighted"?'),
    ],
)
def test_an_alias_that_leads_nowhere_is_refused(problems: Problems, alias: str, expected: str) -> None:
    """Targets exist, are weighed, and are at least one."""
    (problem,) = problems(f"providers: {{p: {{kind: openai}}}}\naliases:\n  a: {alias}\n")
    assert problem.startswith("line 3: ")
    assert problem.endswith(expected)


@pytest.mark.parametrize("name", ["a/b", "''", "a b", '"a\\n"', "x" * 129])
def test_alias_names_cannot_be_taken_for_targets(problems: Problems, name: str) -> None:
    """No slash, no spaces, not empty, not endless."""
    (problem,) = problems(
        f"providers: {{p: {{kind: openai}}}}\naliases:\n  ? {name}\n  : {{targets: [p/m]}}\n"
    )
    assert ": an alias " in problem


def test_a_model_name_may_hold_slashes_and_colons(loaded: Callable[..., Any]) -> None:
    """Only the first slash divides."""
    text = "providers: {p: {kind: ollama}}\naliases: {'llama3:8b': {targets: ['p/org/model:8b']}}"
    (target,) = loaded(text).settings.aliases["llama3:8b"].targets
    assert (target.provider, target.model) == ("p", "org/model:8b")


@pytest.mark.parametrize(
    ("section", "entry"), [("aliases", "{targets: [p/m]}"), ("providers", "{kind: openai}")]
)
def test_sections_are_bounded(problems: Problems, section: str, entry: str) -> None:
    """One thousand names are enough."""
    names = "\n".join(f"  n{index}: {entry}" for index in range(1001))
    assert [f"line 1: {section}: holds 1001 entries; the most is 1000"] == problems(f"{section}:\n{names}\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.1"])
def test_calls_without_keys_stay_on_this_machine(problems: Problems, host: str) -> None:
    """`auth.mode: none` needs a loopback address."""
    assert problems(f"server: {{host: '{host}'}}\nauth: {{mode: none}}\n") == [
        "line 2: auth.mode: none is possible only while server.host is a loopback address, such as 127.0.0.1"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_calls_without_keys_are_possible_on_loopback(loaded: Callable[..., Any], host: str) -> None:
    """Every loopback address counts."""
    assert loaded(f"server: {{host: '{host}'}}\nauth: {{mode: none}}").settings.auth.mode == "none"


@pytest.mark.parametrize("host", ["a b", "http://a", "a:80", "[::1]", "ä"])
def test_a_host_that_cannot_be_bound_is_refused(problems: Problems, host: str) -> None:
    """A host is an address or a name, without port."""
    assert problems(f"server: {{host: '{host}'}}") == [
        "line 1: server.host: is neither an address nor a host name"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "embedded",
        "unix:///run/valkey.sock",
        "redis://127.0.0.1:6379/0",
        "rediss://user:p%40ss@redis.example:6380/1",
        "redis+sentinel://a:26379,b:26379/mymaster/0",
        "redis+cluster://a:6379,b:6379",
    ],
)
def test_the_store_is_embedded_or_a_url(loaded: Callable[..., Any], url: str) -> None:
    """All schemes of the state room are accepted."""
    state = loaded(f"state: {{url: '{url}'}}").settings.state
    assert (url, url == "embedded") == (state.url.reveal(), state.embedded)


@pytest.mark.parametrize(
    "url", ["", "embeded", "http://a", "redis://", "redis+sentinel://a:1", "redis://a:x"]
)
def test_a_store_url_that_is_none_is_refused(problems: Problems, url: str) -> None:
    """A wrong store URL is found before anything connects."""
    (problem,) = problems(f"state: {{url: '{url}'}}")
    assert problem.startswith("line 1: state.url: ")


@pytest.mark.parametrize("endpoint", ["localhost:4318", "grpc://a:4317", "http://u:hunter2@a:4318"])
def test_a_collector_is_an_http_url(problems: Problems, endpoint: str) -> None:
    """OTLP goes out over HTTP, without credentials in the URL."""
    (problem,) = problems(f"telemetry: {{otlp_endpoint: '{endpoint}'}}")
    assert problem.startswith("line 1: telemetry.otlp_endpoint: must ")
    assert "hunter2" not in problem


def test_a_short_pepper_is_refused(problems: Problems, loaded: Callable[..., Any]) -> None:
    """A pepper that can be guessed protects nothing; an empty one counts as none."""
    assert problems("auth: {pepper: '${P}'}", P="x" * 31) == [
        "line 1: auth.pepper: is shorter than 32 characters"
    ]
    assert loaded("auth: {pepper: '${P}'}", P="x" * 32).settings.auth.pepper.reveal() == "x" * 32
    assert not loaded("auth: {pepper: '${P:-}'}").settings.auth.pepper


PROVIDERS = "providers: {p: {kind: openai_compatible, base_url: 'http://127.0.0.1:9/v1'}}\n"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("q/m: {input: 1}", "unknown provider"),
        ("m: {input: 1}", "a price is for provider/model, or provider/*"),
        ("p/m: {output: 1}", "has no price for input: write 0 where it costs nothing"),
        ("p/m: {input: 1, long: [{over: 10, output: 2}]}", "has no price for shorter calls"),
        ("p/m: {input: 1, output: -1}", "expected a number from 0"),
        ("p/m: {input: 1, tiers: {slow: {input: 1}}}", "tiers"),
    ],
)
def test_a_price_that_cannot_hold_is_refused(problems: Problems, entry: str, problem: str) -> None:
    """For a model nobody can ask, for no input, for long calls alone, below zero, for no such tier."""
    (found,) = problems(PROVIDERS + "prices:\n  models:\n    " + entry)
    assert found.startswith("line 4: prices.models")
    assert problem in found


def test_aliases_whose_models_have_no_price_are_named(loaded: Callable[..., Any]) -> None:
    """Each target once, unless the file has a price for it."""
    aliases = "aliases: {a: {targets: [p/m, p/n]}, b: {targets: [p/n]}}\n"
    found = [str(each) for each in loaded(PROVIDERS + aliases).warnings]
    assert found == [
        "line 2: aliases.a.targets: no price is known for p/m, p/n: name one in prices.models",
        "line 2: aliases.b.targets: no price is known for p/n: name one in prices.models",
    ]
    priced = "prices: {models: {p/n: {input: 0}, p/m: {input: 1, output: 2}}}\n"
    assert loaded(PROVIDERS + aliases + priced).warnings == ()
