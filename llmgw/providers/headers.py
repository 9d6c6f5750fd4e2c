"""Headers of requests: what a body is, what may come back, and who asks."""

from llmgw.types.target import Endpoint


def headers_of(endpoint: Endpoint, accept: str) -> tuple[tuple[str, str], ...]:
    """The headers of a request; the operator's own replace ours of the same name."""
    headers = {"content-type": "application/json", "accept": accept, "accept-encoding": "identity"}
    headers |= credential_of(endpoint)
    for name, value in endpoint.headers:
        headers[name.lower()] = value
    return tuple(headers.items())


def credential_of(endpoint: Endpoint) -> dict[str, str]:
    """The header that carries the endpoint's key, where its provider looks for it; none without a key."""
    if endpoint.api_key is None or endpoint.auth == "none":
        return {}
    if endpoint.auth == "bearer":
        return {"authorization": f"Bearer {endpoint.api_key.reveal()}"}
    return {endpoint.auth: endpoint.api_key.reveal()}
