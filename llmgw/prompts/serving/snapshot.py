"""All prompts as this worker knows them: which version a call gets is found here, without asking anybody."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, NoReturn, TypeAlias

from msgspec import Struct

from llmgw.prompts.names import told
from llmgw.prompts.serving.apis import api_label, api_labels, served_slugs
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import InternalError, StoreUnavailable
from llmgw.types.prompt import (
    DEFAULT_LABEL,
    LATEST,
    SERVED,
    Arm,
    Label,
    PromptContent,
    PromptInfo,
    PromptRef,
    Rollout,
    VersionInfo,
    decode_content,
)
from llmgw.types.prompt_errors import (
    ApiNotFound,
    PromptNotFound,
    PromptRetired,
    PromptVersionNotFound,
)

Source: TypeAlias = Literal["memory", "disk"]

_LISTED: Final = 20
"""Names that an error lists before it only counts them."""
_UNIT: Final = 10_000


class Units(NamedTuple):
    """Whom a call is for, as a rollout may keep to: the unit that a rollout names, else the call."""

    context: str | None
    user: str | None
    tenant: str
    call: str


class Resolved(NamedTuple):
    """The version that a call gets, and how it was chosen: `label` is empty where the call named a number."""

    name: str
    info: VersionInfo
    label: str
    arm: Arm | None
    source: Source


class Kept(Struct, frozen=True):
    """One prompt with the contents of the versions that callers may have, by hash, as bytes."""

    info: PromptInfo
    contents: Mapping[str, bytes]
    latest: int | None


class _Tenant:
    """The prompts of one tenant, and which of them stand behind which API."""

    __slots__ = ("infos", "kept", "slugs")

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.infos: dict[str, PromptInfo] = {}
        self.slugs: dict[str, list[str]] = {}
        """The names of one prompt each; the registry sees to that, but a store may say anything."""

    def put(self, kept: Kept) -> None:
        self.drop(kept.info.name)
        self.kept[kept.info.name] = kept
        self.infos[kept.info.name] = kept.info
        for slug in served_slugs(kept.info):
            self.slugs[slug] = sorted([*self.slugs.get(slug, ()), kept.info.name])

    def drop(self, name: str) -> None:
        if self.kept.pop(name, None) is None:
            return
        for slug in served_slugs(self.infos.pop(name)):
            self.slugs[slug].remove(name)
            if not self.slugs[slug]:
                del self.slugs[slug]


class Snapshot:
    """The registry as it was when this worker last heard of it.

    It belongs to one thread; the follower changes it one whole prompt at a time, between two calls, so a call sees
    a prompt before a change or after it. `source` is `disk` until the store was read once.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._tenants: dict[str, _Tenant] = {}
        self._spoiled: set[tuple[str, str]] = set()
        self._confirmed_ns: int | None = None
        self._written_unix_ns = 0
        self.source: Source = "memory"

    @property
    def age_s(self) -> float:
        """Seconds since it was known to be what the store says; infinite for one that never was."""
        if self._confirmed_ns is not None:
            return max(0.0, (self._clock.monotonic_ns() - self._confirmed_ns) / 1e9)
        if self._written_unix_ns:
            return max(0.0, (self._clock.unix_ns() - self._written_unix_ns) / 1e9)
        return float("inf")

    def confirm(self) -> None:
        """Note that it is what the store says now."""
        self._confirmed_ns = self._clock.monotonic_ns()
        self.source = "memory"

    def from_disk(self, written_unix_ns: int) -> None:
        """Note that what is in it was read from a file of that time."""
        self.source = "disk"
        self._written_unix_ns = written_unix_ns

    def put(self, tenant: str, info: PromptInfo, contents: Mapping[str, bytes]) -> None:
        """Take one prompt as it is now, with the contents of at least the versions that callers may have.

        Raises:
            ValueError: a content is not what its hash says, or is missing; nothing is changed.
        """
        kept = _checked(info, contents, self.kept(tenant, info.name))
        self._tenants.setdefault(tenant, _Tenant()).put(kept)
        self._spoiled.discard((tenant, info.name))

    def drop(self, tenant: str, name: str) -> None:
        """Forget a prompt that is not there any more."""
        self._spoiled.discard((tenant, name))
        there = self._tenants.get(tenant)
        if there is not None:
            there.drop(name)
            if not there.kept:
                del self._tenants[tenant]

    def spoil(self, tenant: str, name: str) -> None:
        """Note that a prompt is there but not what was pushed: what was good last stays, if there was something."""
        self._spoiled.add((tenant, name))

    def tenants(self) -> Iterable[str]:
        """Name the tenants that have prompts."""
        return tuple(self._tenants)

    def prompts(self, tenant: str) -> Mapping[str, PromptInfo]:
        """A tenant's prompts by name; not to be changed."""
        there = self._tenants.get(tenant)
        return there.infos if there is not None else {}

    def kept(self, tenant: str, name: str) -> Kept | None:
        """One prompt with its contents; None where there is none."""
        there = self._tenants.get(tenant)
        return there.kept.get(name) if there is not None else None

    def content(self, tenant: str, name: str, digest: str) -> PromptContent:
        """Decode the content of a version that callers may have.

        Raises:
            PromptVersionNotFound: it is not here.
        """
        kept = self.kept(tenant, name)
        stored = kept.contents.get(digest) if kept is not None else None
        if stored is None:
            raise PromptVersionNotFound(f"no version of the prompt {name} has the content {digest}")
        return decode_content(stored)

    def size(self, tenant: str, name: str, digest: str) -> int:
        """Bytes of the content of a version; 0 where it is not here."""
        kept = self.kept(tenant, name)
        return len(kept.contents.get(digest, b"")) if kept is not None else 0

    def resolve(self, tenant: str, ref: PromptRef, units: Units) -> Resolved:
        """Find the version that a call gets.

        Raises:
            PromptNotFound, PromptVersionNotFound, ApiNotFound: there is none; the message lists what there is.
            PromptRetired: it is not served any more.
            StoreUnavailable: the registry was never read, so it is not known what there is.
            InternalError: it is damaged in the store, and there is none that was good.
        """
        there = self._tenants.get(tenant)
        name = ref.name
        label = ref.label
        if ref.slug:
            name = self._behind(tenant, ref.slug)
            if label is None and ref.version is None:
                label = _major_label(there.infos[name] if there else None, ref)
        kept = there.kept.get(name) if there is not None else None
        if kept is None:
            self._certain(tenant, name)
            raise PromptNotFound(_no_prompt(name, there))
        if ref.version is not None:
            return Resolved(name, _version(kept, ref.version), "", None, self.source)
        return self._by_label(kept, label or DEFAULT_LABEL, units)

    def _certain(self, tenant: str, name: str) -> None:
        """Refuse to say that something is not there where that is not known."""
        if (tenant, name) in self._spoiled:
            raise InternalError(f"what is stored of the prompt {name} is not what was pushed")
        if self._confirmed_ns is None and not self._written_unix_ns:
            raise StoreUnavailable("the prompt registry could not be read yet", retry_after_s=1)

    def _behind(self, tenant: str, slug: str) -> str:
        there = self._tenants.get(tenant)
        slugs = there.slugs if there is not None else {}
        names = slugs.get(slug)
        if names is None:
            self._certain(tenant, "")
            raise ApiNotFound(f"there is no API {told(slug)}; {_those('API', sorted(slugs))}")
        return names[0]

    def _by_label(self, kept: Kept, name: str, units: Units) -> Resolved:
        info = kept.info
        if name == LATEST:
            if kept.latest is None:
                raise PromptVersionNotFound(f"no version of the prompt {info.name} is published")
            return Resolved(info.name, _version(kept, kept.latest), name, None, self.source)
        label = info.labels.get(name)
        if label is None or not label.version:
            raise PromptVersionNotFound(
                f"the prompt {info.name} has no label {told(name)}; {_those('label', _leading(info))}"
            )
        number, arm = _arm(label, units)
        return Resolved(info.name, _version(kept, number), name, arm, self.source)


def in_candidate(rollout: Rollout, units: Units) -> bool:
    """Whether a rollout sends this unit to its candidate: the same answer each time, in every worker."""
    unit = units.call
    match rollout.sticky_by:
        case "context":
            unit = units.context or units.call
        case "user":
            unit = units.user or units.call
        case "tenant":
            unit = units.tenant
        case "call":
            pass
    digest = hashlib.sha256(f"{rollout.id}|{unit}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % _UNIT < rollout.weight


def _arm(label: Label, units: Units) -> tuple[int, Arm | None]:
    rollout = label.rollout
    if rollout is None:
        return label.version, None
    return (rollout.candidate, "candidate") if in_candidate(rollout, units) else (label.version, "stable")


def _version(kept: Kept, number: int) -> VersionInfo:
    version = kept.info.versions.get(number)
    name = kept.info.name
    if version is not None and version.state in SERVED and not version.partial:
        return version
    if version is not None and version.partial:
        raise PromptVersionNotFound(
            f"{name}@{number} is a partial: other prompts include it, and no call gets it"
        )
    if version is not None and version.state == "retired":
        # Without a successor at least what there is.
        there = _those("label", _leading(kept.info))
        instead = f"; call {version.successor} instead" if version.successor else f"; {there}"
        raise PromptRetired(f"{name}@{number} is retired{instead}", successor=version.successor)
    known = [str(each.number) for each in kept.info.versions.values() if each.state in SERVED]
    why = (
        f"{name}@{number} is a draft" if version is not None else f"the prompt {name} has no version {number}"
    )
    raise PromptVersionNotFound(f"{why}; {_those('version', known)}, {_those('label', _leading(kept.info))}")


def _leading(info: PromptInfo) -> list[str]:
    """The labels that a call can name."""
    labels = [name for name, label in info.labels.items() if label.version]
    return sorted([*labels, LATEST] if info.latest is not None else labels)


def _major_label(info: PromptInfo | None, ref: PromptRef) -> str:
    """The label that serves an API at the major version that was asked for."""
    label = api_label(info, ref.slug, ref.major) if info is not None else None
    if label is None:
        _no_major(info, ref)
    return label


def _no_major(info: PromptInfo | None, ref: PromptRef) -> NoReturn:
    majors = [f"v{major}" for major in sorted(api_labels(info, ref.slug))] if info is not None else []
    raise ApiNotFound(f"the API {told(ref.slug)} has no v{ref.major}; {_those('major version', majors)}")


def _checked(info: PromptInfo, contents: Mapping[str, bytes], before: Kept | None) -> Kept:
    held: dict[str, bytes] = {}
    for version in info.versions.values():
        if version.state not in SERVED or version.hash in held:
            continue
        known = before.contents.get(version.hash) if before is not None else None
        if known is None:
            known = contents.get(version.hash)
            if known is None:
                raise ValueError(f"the content of {info.name}@{version.number} is missing")
            if f"sha256:{hashlib.sha256(known).hexdigest()}" != version.hash:
                raise ValueError(f"the content of {info.name}@{version.number} is not what its hash says")
        held[version.hash] = known
    return Kept(info, held, info.latest)


def _no_prompt(name: str, there: _Tenant | None) -> str:
    return f"there is no prompt {told(name)}; {_those('prompt', sorted(there.kept) if there is not None else [])}"


def _those(what: str, names: Iterable[str]) -> str:
    """List what there is instead, as far as that is readable."""
    known = list(names)
    if not known:
        return f"there are no {what}s"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"{what}s: {', '.join(known[:_LISTED])}{more}"
