"""How the options say that the backend is reached."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import gevent.ssl

from loadtest.client.dial import KERNEL_STAMPS
from loadtest.client.endpoint import Endpoint, address_of
from loadtest.client.proxy import proxy_for
from loadtest.errors import UsageError
from loadtest.settings import Settings


def read_endpoint(url: str, chosen: Settings) -> Endpoint:
    """The backend at an address, as the options and the environment reach it.

    Raises:
        UsageError: a file is no good, or the proxy's address.
    """
    secure = url.startswith("wss:")
    try:
        proxy = proxy_for(chosen.connect_to or address_of(url), secure)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Endpoint(
        url=url,
        connect_timeout_s=chosen.connect_timeout,
        read_timeout_s=chosen.read_timeout,
        ping_timeout_s=chosen.ping_timeout,
        max_frame_size=chosen.max_frame_size,
        headers=chosen.header,
        origin=chosen.origin,
        subprotocols=chosen.subprotocol,
        connect_to=chosen.connect_to,
        proxy=proxy,
        tls=tls_context(chosen) if secure else None,
        compression=not chosen.no_compression,
        traced=chosen.traceparent,
        sources=chosen.source_addresses,
    )


def tls_context(chosen: Settings) -> ssl.SSLContext:
    """Whom to trust, and what to show.

    Raises:
        UsageError: a file cannot be read, or does not hold what it should.
    """
    if chosen.ca_file:
        _readable("--ca-file", chosen.ca_file)
    # gevent's, since logins wait in it: Python's would have the event loop wait with them where nothing is patched
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority's authority need not be known
    try:
        if chosen.ca_file:
            context.load_verify_locations(chosen.ca_file)
        else:
            context.load_default_certs()
    except ssl.SSLError:
        raise UsageError(
            f"--ca-file: {chosen.ca_file} holds no certificate; give the authority's in PEM, which begins with "
            "-----BEGIN CERTIFICATE-----"
        ) from None
    if chosen.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if chosen.client_cert:
        _show(context, chosen.client_cert, chosen.client_key)
    return context


def remarks(endpoint: Endpoint, chosen: Settings) -> Iterator[str]:
    """What a person should know of the way to the backend before the run."""
    logs_in = any((url or "").startswith("https:") for url in (chosen.login_url, chosen.refresh_url))
    if endpoint.secure and chosen.insecure:
        yield "WARNING: --insecure: the backend's certificate is NOT checked: whoever answers gets the tokens"
    if logs_in and chosen.insecure:
        yield "WARNING: --insecure: the login's certificate is NOT checked: whoever answers gets the passwords"
    if not KERNEL_STAMPS:
        yield (
            "receive times will be the callback's, since this platform stamps no packets: latencies hold the "
            "generator's own delays"
        )
    if endpoint.proxy is not None:
        yield f"through the proxy {endpoint.proxy} ({endpoint.proxy.variable}): its time is in every latency"
    idle = [name for name in ("ca-file", "client-cert", "insecure") if getattr(chosen, name.replace("-", "_"))]
    if idle and not (endpoint.secure or logs_in):
        yield f"without effect: --{', --'.join(idle)}, since {endpoint.url} is not encrypted"


def _show(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    _readable("--client-cert", certificate)
    if key is not None:
        _readable("--client-key", key)
    at_fault, held = ("--client-key", key) if key else ("--client-cert", certificate)
    asked = []

    def passphrase() -> str:
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        if asked:
            raise UsageError(f"{at_fault}: the key in {held} has a passphrase; give one without") from None
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"{at_fault}: the key in {held} is not that of the certificate in {certificate}; give its own"
            ) from None
        if "BEGIN CERTIFICATE" not in Path(certificate).read_text(encoding="ascii", errors="replace"):
            raise UsageError(
                f"--client-cert: {certificate} holds no certificate; give one in PEM (-----BEGIN CERTIFICATE-----)"
            ) from None
        raise UsageError(
            f"{at_fault}: {held} holds no private key; give one in PEM (-----BEGIN PRIVATE KEY-----)"
        ) from None


def _readable(option: str, path: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{option}: {path} cannot be read ({error.strerror}); give a PEM file") from None
