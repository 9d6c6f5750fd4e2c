"""What the operator decides about contexts, as this room needs it."""

from collections.abc import Mapping

from msgspec import Struct

from llmgw.context.verifying.settings import VerifySettings
from llmgw.types.context import BASE_POLICY, Policy


class ContextSettings(Struct, frozen=True, kw_only=True):
    """Defaults and bounds.

    `lease_s` is how long a call that died keeps others out; a live one renews it. `queue_s` bounds how long a call
    waits for another where the policy lets it. `cache_bytes` bounds what a worker remembers. `sample` is the
    share of commits that are read back.
    """

    policy: Policy = Policy()
    tenants: Mapping[str, Policy] = {}
    encrypt: bool = False
    lease_s: float = 30.0
    queue_s: float = 30.0
    cache_bytes: int = 64 * 1024 * 1024
    sample: float = 0.01
    verify: VerifySettings = VerifySettings()

    def base(self, tenant: str, alias: Policy | None = None) -> Policy:
        """What a context of this tenant is treated by where it says nothing itself."""
        base = self.policy.over(BASE_POLICY)
        if tenant in self.tenants:
            base = self.tenants[tenant].over(base)
        return base if alias is None else alias.over(base)
