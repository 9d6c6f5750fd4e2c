"""The pages on conversations list the routes, commands and options that there are."""

import re
from pathlib import Path
from typing import Any

import click
import yaml
from llmgw.cli.contexts import contexts
from llmgw.http.own_routes import own_routes
from llmgw.settings import load
from llmgw.types.context import ContextOptions

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "contexts.md").read_text(encoding="utf-8")
BOTH = PAGE + (DOCS / "verify.md").read_text(encoding="utf-8")
"""That of conversations which callers keep themselves, too."""


class _Runtime:
    """Stands in for a runtime whose parts are not used until a request comes."""

    def __getattr__(self, name: str) -> Any:
        return 1024 if name == "max_body" else self


def test_all_routes_are_listed() -> None:
    """Each route has a row, and each row a route."""
    there = {
        (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", re.sub(r"\{(context|session):str\}", "{id}", path)))
        for handler in own_routes(_Runtime())  # type: ignore[arg-type]
        for path in handler.paths
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
        if path != "/v1/feedback"  # has a page of its own
    }
    listed = {
        (method, path.partition("?")[0])
        for method, path in re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/v1/[^`]*)`", BOTH, re.MULTILINE)
    }
    assert listed == there


def test_all_commands_are_listed() -> None:
    """Each command has a row."""
    assert isinstance(contexts, click.Group)
    assert set(re.findall(r"^\| `llmgw contexts (\w+)", PAGE, re.MULTILINE)) == set(contexts.commands)


def test_all_options_are_listed() -> None:
    """Each member of a call's `llmgw.context` has a row."""
    rows = PAGE.partition("| in `llmgw.context` |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)) == set(ContextOptions.__struct_fields__)


def test_the_configuration_is_a_good_one(tmp_path: Path) -> None:
    """The example loads beside providers, and says what it seems to say."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    document = yaml.safe_load(block)
    document["providers"] = {"openai": {"kind": "openai"}, "claude": {"kind": "anthropic"}}
    path = tmp_path / "llmgw.yaml"
    path.write_text(yaml.safe_dump(document))
    settings = load(str(path), {}).settings
    assert settings.contexts.tenants["support"].level("media.resolvable") == "strict"
    assert settings.aliases["smart"].context is not None
