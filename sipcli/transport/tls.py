"""TLS for wss:// (RFC 8446, RFC 6125): the context, and what its failures mean in words. Imported only when needed."""

from __future__ import annotations

import asyncio
import ssl

from sipcli.sip.settings import Server
from sipcli.transport.options import TransportError, TransportOptions

__all__ = ["create_context", "explain", "start_tls"]

# X509_V_ERR_…, openssl-verification-options(1)
_VERIFY_NOT_YET_VALID = 9
_VERIFY_EXPIRED = 10
_VERIFY_SELF_SIGNED = 18
_VERIFY_UNKNOWN_AUTHORITY = (2, 19, 20, 21)
_VERIFY_WRONG_HOST = (62, 64)

# What OpenSSL says when the octets that come are no TLS at all, by version.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH")
_WANTS_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
_REFUSES_CERTIFICATE = ("BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED")
_OLD_VERSION = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    server: Server,
    host: str,
    options: TransportOptions,
    shutdown_timeout: float,
) -> asyncio.Transport:
    """Put TLS between ``transport`` and ``protocol``; raise TransportError.

    ``host`` is the name that the certificate must be for, in ASCII; ``shutdown_timeout`` bounds the end of TLS.
    """
    context = create_context(options)
    try:
        secured = await asyncio.get_running_loop().start_tls(
            transport,
            protocol,
            context,
            server_hostname=host,
            # The caller's deadline is the one that counts.
            ssl_handshake_timeout=options.timeout + 1,
            ssl_shutdown_timeout=shutdown_timeout,
        )
    except (OSError, ssl.CertificateError) as error:
        raise TransportError(f"{server.url}: {explain(error, server, options)}") from error
    if secured is None:
        raise TransportError(f"{server.url}: {explain(ConnectionResetError(), server, options)}")
    return secured


def create_context(options: TransportOptions) -> ssl.SSLContext:
    """Return the client's context; raise TransportError when a file of the options cannot be used."""
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        raise TransportError(f"ca_file: {_unusable(options.ca_file, error, 'certificates in PEM form')}") from error
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.client_cert is not None:
        try:
            context.load_cert_chain(options.client_cert, options.client_key, password=_no_passphrase)
        except OSError as error:
            what = _unusable(
                options.client_cert, error, "a certificate in PEM form, and its key there or in client_key"
            )
            raise TransportError(f"client_cert: {what}") from error
    return context


def explain(error: Exception, server: Server, options: TransportOptions) -> str:
    """Return what was wrong with TLS, and the likely mistake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, server, options)
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if any(word in reason for word in _NOT_TLS):
        return f"the server does not answer with TLS: use ws:// instead of wss:// for port {server.port}"
    if any(word in reason for word in _WANTS_CERTIFICATE):
        return f"the server ends the TLS handshake ({reason}): it may want a client certificate (--client-cert)"
    if any(word in reason for word in _REFUSES_CERTIFICATE):
        return f"the server refuses our client certificate ({reason}): is it the right one (--client-cert)?"
    if any(word in reason for word in _OLD_VERSION):
        return f"no TLS version in common with the server ({reason}): it may know only versions before 1.2"
    if "UNRECOGNIZED_NAME" in reason:
        return f"the server has no certificate for {server.host}: is the host in the URL right?"
    if isinstance(error, (ConnectionError, ssl.SSLEOFError)):
        return (
            "the server ended the connection in the TLS handshake: "
            f"if port {server.port} is a plain port, use ws:// instead of wss://"
        )
    return f"TLS failed: {reason or error}"


def _explain_certificate(error: ssl.SSLCertVerificationError, server: Server, options: TransportOptions) -> str:
    code = error.verify_code
    if code == _VERIFY_SELF_SIGNED:
        return (
            "the server's certificate is self-signed: if it is yours, trust it with --ca-file FILE, "
            "or take any certificate with --insecure"
        )
    if code in _VERIFY_UNKNOWN_AUTHORITY:
        known = "known to this system" if options.ca_file is None else f"in {options.ca_file}"
        return (
            f"the server's certificate was not issued by an authority {known}: name the authority's certificate with "
            "--ca-file FILE, or take any certificate with --insecure"
        )
    if code == _VERIFY_EXPIRED:
        return "the server's certificate has expired: its operator must renew it (--insecure takes it all the same)"
    if code == _VERIFY_NOT_YET_VALID:
        return "the server's certificate is not valid yet: is this machine's clock right?"
    if code in _VERIFY_WRONG_HOST:
        return (
            f"the server's certificate is not for {server.host}: is the host in the URL right? "
            "(--insecure takes any certificate)"
        )
    return f"the server's certificate cannot be trusted: {error.verify_message}"


def _unusable(path: object, error: OSError, wanted: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"expected {wanted}, got: {path} ({error.reason or error})"
    return f"cannot read {path}: {error.strerror or error}"


def _no_passphrase() -> str:
    # OpenSSL would ask the terminal, and wait for ever.
    raise TransportError(
        "client_key: the key is protected by a passphrase, which cannot be given: store it without one"
    )
