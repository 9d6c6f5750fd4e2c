"""What tells who calls: keys, issuers and the door, made from the settings."""

from functools import partial

from llmgw.app.parts import Secrets
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


def open_keyring(settings: Settings, state: State, secrets: Secrets) -> Keyring | None:
    """Make what knows keys; None where no key is asked for.

    Raises:
        ValueError: the pepper is empty or the bootstrap key too short or too long.
    """
    if settings.auth.mode == "none":
        return None
    stale_auth_s = settings.auth.stale_auth_s
    return Keyring(state, secrets.pepper, bootstrap=secrets.bootstrap, stale_auth_s=stale_auth_s)


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
