"""What tells who calls: issuers and the door, made from the settings."""

from functools import partial

from llmgw.http.auth import Authenticator
from llmgw.policy.issuers import Issuers, SharedIssuers
from llmgw.policy.keyring import Keyring
from llmgw.policy.wrong_keys import WrongKeys
from llmgw.settings import Settings
from llmgw.settings.issuers import rules_of
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.upstream import Upstream
from llmgw.upstream.documents import fetch_document


def shared_issuers(settings: Settings, upstream: Upstream, state: State, clock: Clock) -> SharedIssuers:
    """Make what knows issuers, be there any or not; it is started and closed by whoever asked for it."""
    rules = map(rules_of, settings.auth.issuers)
    return SharedIssuers(Issuers(rules, partial(fetch_document, upstream), clock), state)


def authenticator(
    settings: Settings, keyring: Keyring | None, issuers: SharedIssuers, clock: Clock
) -> Authenticator:
    """Make the door; without a key ring it stands open."""
    wrong = WrongKeys(settings.auth.wrong_per_minute, clock)
    return Authenticator(keyring, issuers.issuers if issuers.any else None, wrong)
