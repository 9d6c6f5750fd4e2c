"""Reading back what was counted: who calls which version, and how the two sides of a rollout do."""

from collections.abc import Mapping
from typing import Final, get_args

from llmgw.prompts.registry.wishes import ArmUse, CallerUse
from llmgw.prompts.serving.usage import Sums
from llmgw.prompts.storage import keys
from llmgw.prompts.storage.store import PromptStore
from llmgw.types.prompt import Arm

CALLERS_MS: Final = 30 * 86_400_000
"""How long somebody counts as a caller who calls no more."""
_FIELDS: Final = Sums.__struct_fields__


class Counts:
    """Reads counts, and forgets those that nobody has added to for long."""

    def __init__(self, store: PromptStore) -> None:
        self._store = store

    async def callers(self, tenant: str, name: str, now_ms: int) -> list[CallerUse]:
        """Who called which version of a prompt in the last 30 days, the last caller first."""
        key = keys.calls(tenant, name)
        stored = await self._store.whole(key)
        found: list[CallerUse] = []
        stale: list[str] = []
        for (version, key_id), sums in _by_caller(stored).items():
            if sums.last_ms < now_ms - CALLERS_MS:
                stale.extend(f"{version}|{key_id}|{field}" for field in _FIELDS)
                continue
            found.append(
                CallerUse(
                    version=version,
                    key_id=key_id,
                    key_name=stored.get(f"k|{key_id}", b"").decode("utf-8", "replace"),
                    calls=sums.calls,
                    failed=sums.failed,
                    invalid_outputs=sums.invalid_outputs,
                    input_tokens=sums.input_tokens,
                    output_tokens=sums.output_tokens,
                    duration_ms=sums.duration_ms,
                    last_seen_ms=sums.last_ms,
                )
            )
        await self._store.forget(key, stale)
        return sorted(found, key=lambda each: each.last_seen_ms, reverse=True)

    async def arms(self, tenant: str, rollout: str) -> dict[Arm, ArmUse]:
        """How the calls of both sides went."""
        stored = await self._store.whole(keys.arms(tenant, rollout))
        return {arm: _arm(_sums(stored, f"{arm}|")) for arm in get_args(Arm)}


def _arm(sums: Sums) -> ArmUse:
    return ArmUse(
        calls=sums.calls,
        failed=sums.failed,
        invalid_outputs=sums.invalid_outputs,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        mean_ms=round(sums.duration_ms / sums.calls, 1) if sums.calls else 0.0,
    )


def _by_caller(stored: Mapping[str, bytes]) -> dict[tuple[int, str], Sums]:
    found: dict[tuple[int, str], Sums] = {}
    for field in stored:
        version, _, rest = field.partition("|")
        key_id, _, last = rest.rpartition("|")
        if version.isdigit() and last == "calls":
            found[int(version), key_id] = _sums(stored, f"{version}|{key_id}|")
    return found


def _sums(stored: Mapping[str, bytes], prefix: str) -> Sums:
    return Sums(**{field: int(stored.get(f"{prefix}{field}", b"0")) for field in _FIELDS})
