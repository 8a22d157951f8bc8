"""A browser without a window: keeps cookies, follows redirects, sends forms as its own pages would."""

import re
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from app import app

ORIGIN = "https://api.example.com"


@dataclass(frozen=True)
class Seen:
    """What came back for a request, its headers' names in lower case."""

    status: int
    path: str
    headers: dict[str, str]
    cookies: list[str]
    html: str

    @property
    def heading(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.html, re.DOTALL)
        assert found, self.html
        return re.sub(r"<[^>]+>", "", found.group(1)).strip()


@dataclass
class Visitor:
    """A browser with a profile of its own."""

    language: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def go(self, path: str, method: str = "GET", *, follow: bool = True, **headers: str) -> Seen:
        """Open a page."""
        return self._send(method, path, None, headers, follow)

    def post(self, path: str, *, follow: bool = True, headers: dict[str, str] | None = None, **fields: str) -> Seen:
        """Send a form as a page of ours does."""
        sent = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return self._send("POST", path, fields, sent, follow)

    def _send(self, method: str, path: str, form: Any, headers: dict[str, str], follow: bool) -> Seen:
        parts = urlsplit(path)
        steps = parts.path.split("/")[2:]
        letters = dict(zip("abcdefgh", steps, strict=False))
        template = "/".join(["", parts.path.split("/")[1], *(f"{{{letter}}}" for letter in letters)])
        sent = {**headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.language:
            sent["Accept-Language"] = self.language
        answer = app(
            {
                "requestContext": {
                    "httpMethod": method, "resourcePath": template, "identity": {"sourceIp": "192.0.2.1"},
                },
                "headers": sent,
                "pathParameters": letters or None,
                "multiValueQueryStringParameters": parse_qs(parts.query) or None,
                "body": urlencode(form) if form is not None else None,
            },
            None,
        )  # fmt: skip
        set_cookies = answer.get("multiValueHeaders", {}).get("Set-Cookie", [])
        for text in set_cookies:
            self._keep(text)
        lower = {name.lower(): value for name, value in answer["headers"].items()}
        seen = Seen(answer["statusCode"], path, lower, set_cookies, answer["body"])
        if follow and seen.status == 303:
            return self.go(lower["location"])
        return seen

    def _keep(self, text: str) -> None:
        parsed = SimpleCookie()
        parsed.load(text)
        for name, morsel in parsed.items():
            assert name.startswith("__Host-")
            assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
            assert morsel["secure"]
            assert morsel["httponly"]
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
