"""From a file and the environment to settings, or to the full list of what is wrong."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path as FilePath

import msgspec
from msgspec import Struct

from llmgw.settings.check import check, warning_findings
from llmgw.settings.convert import Converter
from llmgw.settings.document import Document, Unreadable, Value, parse
from llmgw.settings.expand import Expander
from llmgw.settings.issuers import Issuer
from llmgw.settings.model import Alias, AliasTarget, Prices, Provider, Settings, State, default_state_dir
from llmgw.settings.problem import ConfigError, Finding, Path, Problem, located
from llmgw.settings.snapshot import Snapshot
from llmgw.types.money import ModelPrices

MAX_BYTES = 1024 * 1024
"""Largest settings file."""
FILE_NAME = "llmgw.yaml"
"""The file looked for in the working directory when nothing names one."""
MAX_PROBLEMS = 100
"""Most problems told at once."""
VARIABLE = "LLMGW_CONFIG"
"""The environment variable that names the file."""

_STATE_DIR: Path = ("state", "dir")
_ARCHIVE_DIR: Path = ("ledger", "archive_dir")
_LOG_DIR: Path = ("call_log", "dir")
_NO_USER = "starts with '~' and the name of no user here"


class Loaded(Struct, frozen=True, kw_only=True):
    """Settings and where they came from.

    `source` is the file's path as it was given, None for the defaults; `warnings` are with line numbers; `snapshot`
    is what was read, None for the defaults.
    """

    settings: Settings
    source: str | None = None
    warnings: tuple[Problem, ...] = ()
    snapshot: Snapshot | None = None

    @property
    def is_default(self) -> bool:
        """Whether no file was found, so that the simulator is the only provider."""
        return self.source is None


def load(path: str | None, environ: Mapping[str, str]) -> Loaded:
    """Read the file `path`, else the one `LLMGW_CONFIG` names, else `./llmgw.yaml`, else give the defaults.

    Raises:
        ConfigError: with every problem found.
    """
    source = path or environ.get(VARIABLE) or (FILE_NAME if FilePath(FILE_NAME).is_file() else None)
    if source is None:
        return Loaded(settings=defaults(environ))
    try:
        text = _read(source)
        document = parse(text)
    except Unreadable as error:
        raise ConfigError([error.problem], source) from None
    built = _Build(document, source, environ)
    found = built.found
    later = _news(check(built.settings, _provider_names(built.root, found)), found)
    # Looking for what was meant costs time: no more of it than can be told.
    found += itertools.islice(later, MAX_PROBLEMS + 1)
    if found:
        raise ConfigError(_told(located(found, document.lines)), source)
    return Loaded(
        settings=built.settings,
        source=source,
        warnings=located(warning_findings(built.settings), document.lines),
        snapshot=Snapshot(source=source, text=text, files=built.files),
    )


def load_snapshot(snapshot: Snapshot, environ: Mapping[str, str]) -> Loaded:
    """Give again what `load` gave in the same environment; looks at no file, and checks nothing twice.

    Raises:
        ConfigError: the snapshot is none of what `load` gave here.
    """
    try:
        document = parse(snapshot.text)
    except Unreadable as error:
        raise ConfigError([error.problem], snapshot.source) from None
    built = _Build(document, snapshot.source, environ, snapshot.files)
    if built.found:
        raise ConfigError(_told(located(built.found, document.lines)), snapshot.source)
    return Loaded(settings=built.settings, source=snapshot.source, snapshot=snapshot)


def defaults(environ: Mapping[str, str]) -> Settings:
    """Give the settings of a gateway without a file: the simulator, under the alias `demo`.

    Nobody bills for it, but it has prices, so that there is something to see of budgets and usage.
    """
    return Settings(
        state=State(dir=default_state_dir(environ)),
        providers={"simulator": Provider(kind="simulator")},
        aliases={"demo": Alias(targets=(AliasTarget(target="simulator/sim"),))},
        prices=Prices(models={"simulator/*": ModelPrices(input=1.0, output=2.0)}),
    )


def _read(source: str) -> str:
    try:
        with FilePath(source).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise Unreadable(f"cannot be read: {getattr(error, 'strerror', None) or 'bad path'}") from None
    if len(content) > MAX_BYTES:
        raise Unreadable(f"the file is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("the file is not UTF-8", content.count(b"\n", 0, error.start) + 1) from None


class _Build:
    """The settings that a document says, with what is wrong in it as far as single members go."""

    def __init__(
        self,
        document: Document,
        source: str,
        environ: Mapping[str, str],
        files: Mapping[str, str] | None = None,
    ) -> None:
        base = FilePath(source).absolute().parent
        expander = Expander(environ, base, files)
        self.root = _with_state_dir(expander.expand(document.root), environ)
        self.files = expander.files
        found = [*document.findings, *expander.findings]
        converter = Converter(expanded=expander.expanded, broken={finding.path for finding in found})
        settings = converter.struct(Settings, self.root, ())
        found += converter.findings
        try:
            state = msgspec.structs.replace(settings.state, dir=_absolute(settings.state.dir, base, environ))
            issuers = tuple(_with_file(issuer, base) for issuer in settings.auth.issuers)
            auth = msgspec.structs.replace(settings.auth, issuers=issuers)
            settings = msgspec.structs.replace(settings, state=state, auth=auth)
        except RuntimeError:
            found.append(Finding(path=_STATE_DIR, message=_NO_USER))
        self.settings = _with_places(settings, base, environ, found)
        self.found = found


def _with_state_dir(root: dict[str, Value], environ: Mapping[str, str]) -> dict[str, Value]:
    """Write the default directory where the file has none, since it depends on the environment."""
    state = root.get("state") or {}
    if not isinstance(state, dict):
        return root
    return {**root, "state": {"dir": str(default_state_dir(environ)), **state}}


def _with_file(issuer: Issuer, base: FilePath) -> Issuer:
    """Let a relative path to an issuer's keys start at `base`."""
    if issuer.jwks_file is None:
        return issuer
    return msgspec.structs.replace(issuer, jwks_file=base / issuer.jwks_file)


def _absolute(directory: FilePath, base: FilePath, environ: Mapping[str, str]) -> FilePath:
    """Expand `~` and let a relative path start at `base`.

    Raises:
        RuntimeError: `~name` where there is no such user.
    """
    home = environ.get("HOME")
    if home and directory.parts[:1] == ("~",):
        directory = FilePath(home, *directory.parts[1:])
    return base / directory.expanduser()


def _with_places(
    settings: Settings, base: FilePath, environ: Mapping[str, str], found: list[Finding]
) -> Settings:
    """Make the directories absolute that may be left out; a bad one is noted."""
    for path in (_ARCHIVE_DIR, _LOG_DIR):
        section, member = str(path[0]), str(path[1])
        part = getattr(settings, section)
        place: FilePath | None = getattr(part, member)
        if place is None:
            continue
        try:
            part = msgspec.structs.replace(part, **{member: _absolute(place, base, environ)})
        except RuntimeError:
            found.append(Finding(path=path, message=_NO_USER))
        settings = msgspec.structs.replace(settings, **{section: part})
    return settings


def _provider_names(root: dict[str, Value], found: Iterable[Finding]) -> Collection[str] | None:
    """Give the names the file declares, also of broken providers; None where the section itself is broken."""
    providers = root.get("providers") or {}
    if not isinstance(providers, dict) or any(finding.path == ("providers",) for finding in found):
        return None
    return providers


def _news(later: Iterable[Finding], found: Iterable[Finding]) -> Iterator[Finding]:
    """Keep the findings that do not merely follow from an earlier one at or around the same place."""
    known = {finding.path for finding in found}
    for finding in later:
        if not any(finding.path[:length] in known for length in range(1, len(finding.path) + 1)):
            yield finding


def _told(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    if len(problems) <= MAX_PROBLEMS:
        return problems
    return (*problems[:MAX_PROBLEMS], Problem(path="", message="further problems are not listed"))
