"""A small OpenID Connect provider on 127.0.0.1, with a real key, for signing in to the dashboard.

Owns: ``running_provider``. It knows the paths of the specification that a client needs: metadata,
the page that asks who one is (two links instead of passwords), tokens, and keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "model-monitor", "the-clients-secret"


@dataclass
class Provider:
    """The provider's address, key, people, and the codes it has given out."""

    issuer: str
    people: tuple[str, ...]
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """Return the document of /.well-known/openid-configuration."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def page(self, asked: dict[str, str]) -> str:
        """Return a page with one link per person, each leading back with a code."""
        assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
        links = []
        for email in self.people:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked | {"email": email}
            query = urlencode({"code": code, "state": asked["state"]})
            links.append(f'<p><a href="{asked["redirect_uri"]}?{query}">{email}</a></p>')
        return "<!doctype html><h1>Who are you?</h1>" + "".join(links)

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        """Return tokens for a code, once, to the client that knows its secret."""
        asked = self.codes.pop(form["code"])
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        assert authorization == f"Basic {basic}" or form.get("client_secret") == CLIENT_SECRET
        assert form["redirect_uri"] == asked["redirect_uri"]
        if "code_challenge" in asked:
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            assert challenge == asked["code_challenge"]
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 600}
        claims |= {"sub": asked["email"], "email": asked["email"], "email_verified": True}
        claims |= {"nonce": asked["nonce"]} if "nonce" in asked else {}
        signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
        return {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 600,
            "id_token": signed,
        }


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        """Answer metadata, keys and the page."""
        address = urlsplit(self.path)
        if address.path == "/.well-known/openid-configuration":
            self._send(json.dumps(self.provider.metadata()), "application/json")
        elif address.path == "/keys":
            keys = {"keys": [self.provider.key.as_dict(private=False) | {"alg": "RS256"}]}
            self._send(json.dumps(keys), "application/json")
        elif address.path == "/authorize":
            self._send(self.provider.page(_values(address.query)), "text/html")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Answer the request for tokens."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = self.provider.token(_values(body), self.headers.get("Authorization", ""))
        self._send(json.dumps(answer), "application/json")

    def _send(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _values(query: str) -> dict[str, str]:
    return {name: given[0] for name, given in parse_qs(query).items()}


@contextmanager
def running_provider(*people: str) -> Iterator[Provider]:
    """Serve a provider that knows these people on a free port."""

    class Handler(_Handler):
        """Of this provider alone."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.provider = Provider(f"http://127.0.0.1:{server.server_port}", people)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Handler.provider
        finally:
            server.shutdown()
            thread.join()
