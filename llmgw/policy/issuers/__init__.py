"""Tokens of identity providers in the place of keys: checked, remembered, and turned into callers."""

from llmgw.policy.issuers.issuers import Issuers, IssuerStatus
from llmgw.policy.issuers.keyset import Fetch
from llmgw.policy.issuers.rules import Algorithm, Issuer
from llmgw.policy.issuers.shared import SharedIssuers

__all__ = ["Algorithm", "Fetch", "Issuer", "IssuerStatus", "Issuers", "SharedIssuers"]
