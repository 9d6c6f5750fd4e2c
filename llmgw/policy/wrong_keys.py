"""Who tries keys: wrong ones, counted by the address they come from."""

import ipaddress
from collections import OrderedDict
from typing import Final

from llmgw.types.auth_errors import TooManyWrongKeys
from llmgw.types.clock import Clock

ADDRESSES_MAX: Final = 10_000
"""Addresses that one worker counts for; the one that was wrong longest ago is forgotten first."""
_MINUTE_NS: Final = 60_000_000_000


class WrongKeys:
    """Counts wrong keys per address and minute; nothing is counted for who is right."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._most = per_minute
        self._clock = clock
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def count(self, host: str) -> None:
        """Count a wrong key.

        Raises:
            TooManyWrongKeys: there were as many as may be from this address, in the minute since the first of them.
        """
        if not self._most:
            return
        network, now_ns = network_of(host), self._clock.monotonic_ns()
        began_ns, count = self._counts.get(network, (now_ns, 0))
        if now_ns - began_ns >= _MINUTE_NS:
            began_ns, count = now_ns, 0
        # Beyond the limit nothing need be counted.
        self._counts[network] = (began_ns, min(count, self._most) + 1)
        self._counts.move_to_end(network)
        if len(self._counts) > ADDRESSES_MAX:
            self._counts.popitem(last=False)
        if count >= self._most:
            rest_s = -(-(began_ns + _MINUTE_NS - now_ns) // 1_000_000_000)
            raise TooManyWrongKeys("too many wrong keys from this address", retry_after_s=max(1, rest_s))


def network_of(host: str) -> str:
    """Whose address it is: an IPv4 address alone, of IPv6 the /64 that one holder has; `""` where it is none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
    return str(address)
