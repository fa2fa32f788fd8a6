"""Why the login before a run failed, and what to do: one line that names the option."""

from __future__ import annotations

from loadtest.client.tls import TlsFault
from loadtest.load.own_login import OPTION
from loadtest.load.refusal import explained_tls
from loadtest.settings import Settings, redacted


def explained_login(option: str, settings: Settings, outcome: str) -> str:
    """Why a login failed: the option that is to blame, and what to do."""
    if option == OPTION:
        remedy = (
            "name its authority by --ca-file FILE, and have it trusted by verify=self.settings.ca_file or True"
            if outcome.startswith("SSLError")
            else "try it by itself"
        )
        return f"{OPTION}: the locustfile's own login failed: {outcome}; {remedy}"
    where = redacted(settings.login_url or "")
    if outcome.startswith("http "):
        return _of_status(outcome.removeprefix("http "), where, settings)
    kind, _, detail = outcome.partition(": ")
    if kind in tuple(TlsFault):
        return explained_tls("--login-url", where, settings, kind, detail)
    token, life = settings.login_token_path, settings.login_life_path
    remedies = {
        "refused": f"--login-url: nobody listens at {where}; start it, or correct the address",
        "dns": f"--login-url: the name in {where} is not known; correct it",
        "timeout": f"--login-url: {where} did not answer within --login-timeout {settings.login_timeout:g} s; look at "
        "it, or allow for more",
        "html, not json": f"--login-url: {where} answered with HTML, a page for people; give the address of the API",
        "not json": f"--login-url: {where} answered, but not in JSON; give the address of the API",
        f"no token at {token}": f"--login-token-path: the answer of {where} has no token at {token}; say where it is, "
        "as in data.accessToken",
        f"no life in seconds at {life}": f"--login-life-path: the answer of {where} has no life in seconds at {life}; "
        "say where it is, or leave the option out",
    }
    return remedies.get(outcome, f"--login-url: no login at {where}: {outcome}")


def _of_status(status: str, where: str, settings: Settings) -> str:
    answered = f"{where} answered HTTP {status}"
    account = f"--users-file: {answered} to the first user; check its account, and --login-body"
    path = f"--login-url: {answered}; correct the path"
    remedies = {
        "400": account,
        "401": account,
        "403": account,
        "422": account,
        "404": path,
        "405": path,
        "429": f"--login-url: {answered}, too many logins; wait, then lower --login-rate {settings.login_rate}",
    }
    if status.startswith("3"):
        return f"--login-url: {answered}, a redirect; give the address that it leads to"
    return remedies.get(status, f"--login-url: {answered}; look at its log")
