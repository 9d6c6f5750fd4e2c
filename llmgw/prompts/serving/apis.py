"""Which versions of a prompt are served at an address of their own: `/v1/apis/{slug}/v{major}`."""

from typing import Final

from llmgw.types.prompt import DEFAULT_LABEL, PromptInfo, VersionInfo

OLD_MAJOR: Final = f"{DEFAULT_LABEL}-v"
"""Before a major version's number: the label that goes on serving it when `production` has moved on to the next."""


def behind(info: PromptInfo, label: str) -> VersionInfo | None:
    """The version that a label leads to, without its rollout; None for a label that is not there."""
    there = info.labels.get(label)
    return info.versions.get(there.version) if there is not None else None


def api_labels(info: PromptInfo, slug: str) -> dict[int, str]:
    """The labels that serve an API, by its major version: what is behind `production` comes first."""
    found: dict[int, str] = {}
    for label in sorted(info.labels, key=lambda each: (each != DEFAULT_LABEL, each)):
        version = behind(info, label)
        if version is None or version.api is None or version.api.slug != slug:
            continue
        major = version.api.major
        if label in {DEFAULT_LABEL, f"{OLD_MAJOR}{major}"}:
            found.setdefault(major, label)
    return found


def api_label(info: PromptInfo, slug: str, major: int | None) -> str | None:
    """The label that serves an API at a major version, or at its present one; None where there is none."""
    labels = api_labels(info, slug)
    if major is not None:
        return labels.get(major)
    if DEFAULT_LABEL in labels.values():
        return DEFAULT_LABEL
    return labels[max(labels)] if labels else None


def served_slugs(info: PromptInfo) -> frozenset[str]:
    """The addresses at which a prompt is served now."""
    slugs = set()
    for label in info.labels:
        version = behind(info, label)
        if version is None or version.api is None:
            continue
        if label in {DEFAULT_LABEL, f"{OLD_MAJOR}{version.api.major}"}:
            slugs.add(version.api.slug)
    return frozenset(slugs)
