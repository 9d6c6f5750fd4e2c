"""All webhooks of a gateway: each delivered to beside the others, so that one that is slow holds up none."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from llmgw.policy.signals.bell import Bell
from llmgw.policy.signals.delivery import IDLE_MS, Delivery, Means, record_of
from llmgw.policy.signals.webhook import Webhook
from llmgw.types.errors import StoreUnavailable

_log = logging.getLogger(__name__)


class Webhooks:
    """Delivers while it runs; which of several workers does is settled in the store, webhook by webhook."""

    def __init__(self, hooks: Sequence[Webhook], means: Means, bell: Bell) -> None:
        self._hooks = tuple(hooks)
        self._means = means
        self._bell = bell
        self._tasks: dict[Webhook, asyncio.Task[None]] = {}
        self._applying = asyncio.Lock()

    def start(self) -> None:
        """Begin to deliver; those that had said they are gone are tried again."""
        for hook in self._hooks:
            self._tasks[hook] = asyncio.get_running_loop().create_task(self._run(Delivery(hook, self._means)))

    async def apply(self, hooks: Sequence[Webhook]) -> None:
        """Deliver to these from now on, as after a start."""
        async with self._applying:
            await self.aclose()
            self._hooks = tuple(hooks)
            self.start()

    async def aclose(self) -> None:
        """Stop, and leave the rest to other workers."""
        tasks = list(self._tasks.values())
        self._tasks = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def shown(self, reach: str | None) -> list[dict[str, Any]]:
        """How each webhook is, for somebody who reaches one tenant, or all: then only those of that tenant alone.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return [
            await self._shown(number, hook)
            for number, hook in enumerate(self._hooks, 1)
            if reach is None or hook.tenants == (reach,)
        ]

    async def _shown(self, number: int, hook: Webhook) -> dict[str, Any]:
        record = await record_of(self._means.state, hook)
        return {
            "number": number,
            "id": hook.id,
            "origin": hook.origin,
            "kinds": hook.kinds,
            "tenants": hook.tenants,
            "state": record.state,
            "last_status": record.last_status or None,
            "last_error": record.last_error or None,
            "last_event": record.last_event or None,
            "last_ms": record.last_ms or None,
            "delivered": record.delivered,
            "tries": record.tries,
            "failing_since_ms": record.failing_ms or None,
            "next_ms": record.next_ms or None,
            "given_up": record.given_up,
            "given_up_event": record.given_up_event or None,
            "given_up_ms": record.given_up_ms or None,
            "disabled_ms": record.gone_ms or None,
        }

    async def _run(self, delivery: Delivery) -> None:
        revived = False
        try:
            while True:
                wait_ms = IDLE_MS
                rung = self._bell.rung()
                try:
                    if not revived:
                        await delivery.revive()
                        revived = True
                    wait_ms = await delivery.step()
                except StoreUnavailable:
                    pass
                except Exception:  # noqa: BLE001 - one bad event must not be the last one
                    _log.exception("delivering to webhook %s failed", delivery.hook.id)
                await rung.within(wait_ms / 1000)
        finally:
            with contextlib.suppress(StoreUnavailable):
                await delivery.let_go()
