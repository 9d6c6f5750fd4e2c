"""An identity provider on this machine: it publishes keys, signs tokens, and can behave badly."""

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Mood = Literal["good", "garbage", "huge", "redirect", "failing", "silent", "foreign", "empty"]
JWKS = "/keys"
DISCOVERY = "/.well-known/openid-configuration"
_CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "ES256": ("P-256", ec.SECP256R1()),
    "ES384": ("P-384", ec.SECP384R1()),
    "ES512": ("P-521", ec.SECP521R1()),
}
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class SigningKey:
    """A key pair for one algorithm."""

    def __init__(self, kid: str, algorithm: str, bits: int = 2048) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any
        if algorithm[:2] in {"RS", "PS"}:
            self.private = rsa.generate_private_key(65537, bits)
        elif algorithm[:2] == "ES":
            self.private = ec.generate_private_key(_CURVES[algorithm][1])
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as it is published."""
        public = self.private.public_key()
        named = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self.algorithm[:2] in {"RS", "PS"}:
            numbers = public.public_numbers()
            return {**named, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        if self.algorithm[:2] == "ES":
            numbers, curve = public.public_numbers(), _CURVES[self.algorithm][0]
            size = (public.curve.key_size + 7) // 8
            xy = {"x": _number(numbers.x, size), "y": _number(numbers.y, size)}
            return {**named, "kty": "EC", "crv": curve, **xy}
        return {**named, "kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}

    def sign(self, signed: bytes) -> bytes:
        """Sign as JWA (RFC 7518) says."""
        if self.algorithm == "EdDSA":
            return bytes(self.private.sign(signed))
        digest = _HASHES[self.algorithm[2:]]
        if self.algorithm[:2] == "ES":
            size = (self.private.curve.key_size + 7) // 8
            pair = decode_dss_signature(self.private.sign(signed, ec.ECDSA(digest)))
            return b"".join(number.to_bytes(size, "big") for number in pair)
        if self.algorithm[:2] == "PS":
            salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return bytes(self.private.sign(signed, salted, digest))
        return bytes(self.private.sign(signed, padding.PKCS1v15(), digest))


def signed(header: str | Mapping[str, Any], claims: str | Mapping[str, Any], key: SigningKey) -> str:
    """Put a token together; text is taken as it is written."""
    parts = [each if isinstance(each, str) else json.dumps(each) for each in (header, claims)]
    head = ".".join(b64(part.encode()) for part in parts)
    return f"{head}.{b64(key.sign(head.encode()))}"


class LocalIssuer(AbstractContextManager["LocalIssuer"]):
    """Serves a discovery document and a key set on loopback while the block is open."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        self.keys = [SigningKey("first", algorithm)]
        self.mood: Mood = "good"
        self.asked: list[str] = []
        """Paths that were asked for, in their order."""
        self.extra: list[Any] = []
        """What else is in the key set."""
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self.appear()

    @property
    def url(self) -> str:
        """The issuer, as its tokens name it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def fetches(self) -> int:
        """How often the key set was asked for."""
        return self.asked.count(JWKS)

    def rotate(self, kid: str) -> SigningKey:
        """Sign with a new key from now on, and publish no other."""
        self.keys = [SigningKey(kid, self.algorithm)]
        return self.keys[0]

    def token(
        self,
        now_s: float,
        *,
        key: SigningKey | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a token; a claim or member of the header that is None is left out."""
        key = key or self.keys[0]
        whole_header = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
        whole = {
            "iss": self.url,
            "aud": "llmgw",
            "sub": "user-1",
            "name": "Ann",
            "groups": ["llm-admins"],
            "iat": int(now_s),
            "exp": int(now_s) + 300,
            **claims,
        }
        return signed(
            {name: value for name, value in whole_header.items() if value is not None},
            {name: value for name, value in whole.items() if value is not None},
            key,
        )

    def settings(self, **members: Any) -> dict[str, Any]:
        """An entry of `auth.issuers`."""
        return {
            "name": "corp",
            "issuer": self.url,
            "audience": "llmgw",
            "algorithm": self.algorithm,
            "roles": {"map": {"llm-admins": "admin", "llm-devs": "publisher", "llm-viewers": "viewer"}},
            "tenant": {"fixed": "default"},
            **members,
        }

    def subject(self, sub: str) -> str:
        """The end of the ids of its callers."""
        return hashlib.sha256(f"{self.url}\0{sub}".encode()).hexdigest()[:16]

    def appear(self) -> None:
        """Listen, on the same port as before."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the base class's name
                issuer.asked.append(self.path)
                status, headers, body = issuer.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self._released.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def vanish(self) -> None:
        """Refuse connections."""
        self._released.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """What is said to who asks for `path`."""
        keys = json.dumps({"keys": [*(key.jwk for key in self.keys), *self.extra]}).encode()
        match self.mood:
            case "garbage":
                return 200, {}, b"<html>not what you want</html>"
            case "huge":
                return 200, {}, b'{"keys": [' + b" " * 70_000 + b"]}"
            case "redirect":
                return 302, {"location": f"{self.url}/elsewhere"}, b""
            case "failing":
                return 500, {}, b"oh"
            case "empty":
                return 200, {}, b'{"keys": []}'
            case "silent":
                self._released.wait(60)
        if path == DISCOVERY:
            named = "https://other.example" if self.mood == "foreign" else self.url
            return 200, {}, json.dumps({"issuer": named, "jwks_uri": self.url + JWKS}).encode()
        return (200, {}, keys) if path in {JWKS, "/elsewhere"} else (404, {}, b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.vanish()
