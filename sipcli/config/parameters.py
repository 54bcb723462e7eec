"""The one list of parameters: flags, environment, TOML, manual and completion are made from these declarations.

The names and meanings are those of SIP.js: the 0.10 spellings in snake_case, the options of 0.12 and 0.21 beside them.
"""

from collections.abc import Callable, Mapping
from typing import Annotated

from sipcli.config.configuration import Configuration, Log
from sipcli.config.kinds import (
    BOOLEAN,
    COMMAND,
    FUNCTION,
    MILLISECONDS,
    PATH,
    SECONDS,
    TABLE,
    TEXT,
    choice,
    list_of,
    seconds,
    whole,
)
from sipcli.config.options import Opt, Parameters
from sipcli.config.servers import ICE_SERVERS, STUN_SERVERS, TURN_SERVERS, WS_SERVERS, IceServer
from sipcli.config.sip_values import (
    ALGORITHMS,
    CONTACT_PARAMS,
    HA1,
    HEADER_FIELDS,
    HOST_OR_BOOLEAN,
    INSTANCE_ID,
    LOG_LEVEL,
    OPTION_TAGS,
    REGISTER_PARAMS,
    REGISTRAR,
    ROUTES,
    TOKEN,
    USER,
    USER_URI,
)
from sipcli.sip.settings import KeepAlive, RegisterParams, Server, Support
from sipcli.sip.uri import URI

__all__ = ["PARAMETERS", "Config"]

# The constants of SIP.js: SIP.C.supported.UNSUPPORTED is "none".
_SUPPORT = choice("none", "supported", "required", also={"unsupported": "none"})
_REPLACES = choice("none", "supported", also={"unsupported": "none"})
_SECONDS_OR_ZERO = seconds()
_BROWSER = "it speaks of the browser"


class Config(Configuration):
    """The configuration of a user agent: immutable, typed, in normal form. Units are seconds unless the name's help
    says milliseconds.

    ``Config(uri="alice@example.com", wsServers="wss://edge.example.com")``: names in snake_case or camelCase, values in
    every form of SIP.js; None, ``""`` and ``[]`` mean the default. Raises ConfigError.
    """

    # Identity
    uri: Annotated[
        URI | None,
        Opt(
            "Own SIP URI, such as alice@example.com; a display name may come before it.",
            USER_URI,
            "Identity",
            short="-u",
        ),
    ] = None
    display_name: Annotated[str | None, Opt("Name shown to the called party.", TEXT, "Identity", metavar="NAME")] = None
    authorization_user: Annotated[
        str | None,
        Opt(
            "User name for authentication; the user part of the URI unless set.",
            TEXT,
            "Identity",
            names=("auth_user", "authorization_username"),
            flag_names=("auth_user",),
            metavar="USER",
        ),
    ] = None
    password: Annotated[
        str | None,
        Opt(
            "Password. As a flag it is visible to everyone on this machine: prefer --password-file.",
            TEXT,
            "Identity",
            names=("authorization_password",),
            metavar="PASSWORD",
            secret=True,
        ),
    ] = None
    password_file: Annotated[str | None, Opt("File whose first line is the password.", PATH, "Identity")] = None
    password_command: Annotated[
        tuple[str, ...] | None,
        Opt("Command that prints the password; it is run without a shell.", COMMAND, "Identity"),
    ] = None
    authorization_ha1: Annotated[
        str | None,
        Opt(
            "Hash of user:realm:password instead of the password; SHA-512-256: before it names its algorithm.",
            HA1,
            "Identity",
            names=("ha1",),
            flag_names=("ha1",),
            secret=True,
        ),
    ] = None
    auth_algorithms: Annotated[
        tuple[str, ...],
        Opt("Digest algorithms that may be used; the strongest offered one is.", ALGORITHMS, "Identity"),
    ] = ("SHA-512-256", "SHA-256", "MD5")
    authentication_factory: Annotated[
        Callable[..., object] | None,
        Opt(
            "Function of the user agent that returns credentials.",
            FUNCTION,
            "Identity",
            python_only=True,
            flag=False,
        ),
    ] = None
    user_agent_string: Annotated[
        str | None,
        Opt(
            "User-Agent header field; a value that begins with + is appended to sipcli/VERSION.",
            TEXT,
            "Identity",
            names=("user_agent",),
            flag_names=("user_agent",),
        ),
    ] = None

    # Connection
    ws_servers: Annotated[
        tuple[Server, ...],
        Opt(
            "WebSocket server; the highest weight is tried first, equal ones in random order.",
            WS_SERVERS,
            "Connection",
            short="-s",
        ),
    ] = ()
    connection_timeout: Annotated[
        float,
        Opt("Time to connect, handshake included.", SECONDS, "Connection", flag_names=("connect_timeout",)),
    ] = 5.0
    transaction_timeout: Annotated[float, Opt("Time to wait for a final response.", SECONDS, "Connection")] = 32.0
    stop_timeout: Annotated[
        float, Opt("Time to hang up, unregister and close at the end.", _SECONDS_OR_ZERO, "Connection")
    ] = 2.0
    keep_alive: Annotated[
        KeepAlive,
        Opt("How a dead connection is noticed.", choice("ping", "crlf", "options", "none"), "Connection"),
    ] = "ping"
    keep_alive_interval: Annotated[
        float, Opt("Time between keep-alives; 0 for none.", _SECONDS_OR_ZERO, "Connection")
    ] = 25.0
    keep_alive_debounce: Annotated[
        float, Opt("Time to wait for the answer to a keep-alive.", SECONDS, "Connection")
    ] = 10.0
    options_ping_interval: Annotated[
        float | None,
        Opt("Time between OPTIONS requests as keep-alive; sets keep_alive to options.", SECONDS, "Connection"),
    ] = None
    ws_server_max_reconnection: Annotated[
        int,
        Opt(
            "Attempts to get back to the same server before the next one is tried.",
            whole("a whole number", "NUMBER"),
            "Connection",
            names=("reconnection_attempts",),
        ),
    ] = 3
    ws_server_reconnection_timeout: Annotated[
        float,
        Opt("Time between these attempts.", _SECONDS_OR_ZERO, "Connection", names=("reconnection_delay",)),
    ] = 4.0
    connection_recovery_min_interval: Annotated[
        float, Opt("Shortest time between attempts when every server has failed.", SECONDS, "Connection")
    ] = 2.0
    connection_recovery_max_interval: Annotated[
        float, Opt("Longest time between attempts when every server has failed.", SECONDS, "Connection")
    ] = 30.0
    proxy: Annotated[
        bool, Opt("Obey the proxy variables of the environment; never for loopback.", BOOLEAN, "Connection")
    ] = True
    origin: Annotated[
        str | None, Opt("Origin header field of the WebSocket handshake.", TEXT, "Connection", metavar="ORIGIN")
    ] = None
    ws_headers: Annotated[
        tuple[str, ...], Opt("Header field of the WebSocket handshake.", HEADER_FIELDS, "Connection")
    ] = ()
    autostart: Annotated[
        bool, Opt("Connect as soon as the user agent is made.", BOOLEAN, "Connection", names=("auto_start",))
    ] = True
    autostop: Annotated[
        bool,
        Opt("Stop when the page is left.", BOOLEAN, "Connection", names=("auto_stop",), no_effect=_BROWSER, flag=False),
    ] = True
    graceful_shutdown: Annotated[bool, Opt("Hang up and unregister before disconnecting.", BOOLEAN, "Connection")] = (
        True
    )

    # Registration
    register: Annotated[
        bool,
        Opt(
            "Register on every connect. One-shot commands do so only when this is set.",
            BOOLEAN,
            "Registration",
        ),
    ] = True
    register_expires: Annotated[
        int,
        Opt(
            "Registration expiry to ask for.",
            whole("whole seconds", "SECONDS", least=1),
            "Registration",
            command_flags={"register": "--expires"},
        ),
    ] = 600
    refresh_frequency: Annotated[
        int | None,
        Opt(
            "When to refresh, in percent of the granted expiry.",
            whole("a whole percentage", "PERCENT", least=50, most=99),
            "Registration",
        ),
    ] = None
    registrar_server: Annotated[
        URI | None,
        Opt(
            "Registrar; the domain of the URI unless set.",
            REGISTRAR,
            "Registration",
            names=("registrar",),
            flag_names=("registrar",),
        ),
    ] = None
    instance_id: Annotated[
        str | None,
        Opt("UUID of this user agent; one is made and kept in the state directory.", INSTANCE_ID, "Registration"),
    ] = None
    reg_id: Annotated[
        int | None,
        Opt("Number of this flow (RFC 5626); 0 for none.", whole("a whole number", "NUMBER"), "Registration"),
    ] = 1
    extra_contact_header_params: Annotated[
        tuple[str, ...],
        Opt("Parameter of the Contact of REGISTER.", CONTACT_PARAMS, "Registration", flag_names=("contact_param",)),
    ] = ()
    extra_headers: Annotated[
        tuple[str, ...], Opt("Header field of every REGISTER.", HEADER_FIELDS, "Registration")
    ] = ()
    register_params: Annotated[
        RegisterParams,
        Opt(
            "To URI, To display name, Call-ID and CSeq of REGISTER.",
            REGISTER_PARAMS,
            "Registration",
            key="register_options.params",
            flag=False,
        ),
    ] = RegisterParams()

    # Security
    ca_file: Annotated[str | None, Opt("Certificates of the authorities to trust.", PATH, "Security")] = None
    insecure: Annotated[
        bool, Opt("Do not verify the server's certificate; for this run only.", BOOLEAN, "Security", per_run=True)
    ] = False
    client_cert: Annotated[str | None, Opt("Own certificate.", PATH, "Security")] = None
    client_key: Annotated[str | None, Opt("Key of the own certificate.", PATH, "Security")] = None

    # On the wire
    contact_name: Annotated[
        str | None, Opt("User part of the Contact; a random one unless set.", USER, "On the wire")
    ] = None
    contact_transport: Annotated[
        str | None, Opt("Transport parameter of the Contact; ws unless set.", TOKEN, "On the wire")
    ] = None
    force_rport: Annotated[bool, Opt("Ask for rport in Via.", BOOLEAN, "On the wire")] = False
    extra_supported: Annotated[tuple[str, ...], Opt("Option tag to add to Supported.", OPTION_TAGS, "On the wire")] = ()
    use_preloaded_route: Annotated[
        bool,
        Opt("Begin the route of requests outside dialogs with the WebSocket server.", BOOLEAN, "On the wire"),
    ] = False
    preloaded_route_set: Annotated[
        tuple[str, ...],
        Opt("Route of requests outside dialogs.", ROUTES, "On the wire", singular="preloaded_route"),
    ] = ()
    follow_redirects: Annotated[
        int,
        Opt("Redirects to follow.", whole("a whole number", "NUMBER", most=70), "On the wire"),
    ] = 0
    keep_tel: Annotated[bool, Opt("Send tel: targets as they are.", BOOLEAN, "On the wire")] = False
    keep_sips: Annotated[bool, Opt("Send sips: targets as they are.", BOOLEAN, "On the wire")] = False
    hack_ip_in_contact: Annotated[
        bool | str,
        Opt("Put an IP address, or this host, into Contact and Via.", HOST_OR_BOOLEAN, "On the wire"),
    ] = False
    hack_via_tcp: Annotated[bool, Opt("Say TCP in Via.", BOOLEAN, "On the wire")] = False
    hack_wss_in_transport: Annotated[bool, Opt("Say transport=wss in URIs.", BOOLEAN, "On the wire")] = False
    hack_allow_unregistered_option_tags: Annotated[
        bool, Opt("Send option tags that are not registered with IANA.", BOOLEAN, "On the wire")
    ] = False

    # Incoming
    allow_legacy_notifications: Annotated[
        bool, Opt("Take NOTIFY requests without a subscription.", BOOLEAN, "Incoming")
    ] = False
    allow_out_of_dialog_refers: Annotated[
        bool, Opt("Hear of REFER requests outside calls; none is followed unasked.", BOOLEAN, "Incoming")
    ] = False

    # Output
    trace_sip: Annotated[bool, Opt("Show the SIP messages on standard error.", BOOLEAN, "Output", short="-t")] = False
    trace_file: Annotated[
        str | None, Opt("Write the SIP messages to a file; .jsonl is JSON Lines.", PATH, "Output")
    ] = None
    show_secrets: Annotated[
        bool, Opt("Do not redact digest responses and the like; passwords are never shown.", BOOLEAN, "Output")
    ] = False
    log_builtin_enabled: Annotated[
        bool, Opt("Write log messages to standard error.", BOOLEAN, "Output", key="log.builtin_enabled")
    ] = True
    log_level: Annotated[
        int, Opt("How much to log: 0 to 3, or error, warn, log, debug.", LOG_LEVEL, "Output", key="log.level")
    ] = 2
    log_connector: Annotated[
        Callable[[str, str, str | None, str], object] | None,
        Opt(
            "Function of level, category, label and content that is called for each log message.",
            FUNCTION,
            "Output",
            key="log.connector",
            python_only=True,
            flag=False,
        ),
    ] = None

    # Calls
    rel100: Annotated[
        Support,
        Opt("Reliable provisional responses.", _SUPPORT, "Calls", names=("sip_extension100rel",), calls_only=True),
    ] = "none"
    replaces: Annotated[
        Support,
        Opt("The Replaces header field.", _REPLACES, "Calls", names=("sip_extension_replaces",), calls_only=True),
    ] = "none"
    no_answer_timeout: Annotated[
        float, Opt("Time after which an unanswered incoming call is refused.", SECONDS, "Calls", calls_only=True)
    ] = 60.0
    no_answer_code: Annotated[
        int,
        Opt(
            "Status that an unanswered incoming call gets.",
            whole("a status from 400 to 699", "CODE", least=400, most=699),
            "Calls",
            calls_only=True,
        ),
    ] = 408
    send_initial_provisional_response: Annotated[
        bool, Opt("Answer an incoming call with 180 by itself.", BOOLEAN, "Calls", calls_only=True)
    ] = True
    media: Annotated[
        str,
        Opt("What carries the audio.", choice("webrtc", "rtp", "auto", "none"), "Calls", calls_only=True),
    ] = "webrtc"
    audio: Annotated[
        str,
        Opt(
            "What is sent: auto, a WAV file, tone:HZ, silence, echo, device, device:NAME, null or -.",
            TEXT,
            "Calls",
            metavar="SOURCE",
            calls_only=True,
        ),
    ] = "auto"
    codecs: Annotated[
        tuple[str, ...],
        Opt(
            "Codec to offer, the preferred one first.",
            list_of(TOKEN, "codecs"),
            "Calls",
            metavar="CODEC",
            calls_only=True,
        ),
    ] = ()
    media_constraints: Annotated[
        Mapping[str, object],
        Opt(
            "Media of a call: audio, video.",
            TABLE,
            "Calls",
            key="session_description_handler_factory_options.constraints",
            calls_only=True,
            flag=False,
        ),
    ] = {}
    dtmf_type: Annotated[str, Opt("How digits are sent.", choice("info", "rtp"), "Calls", calls_only=True)] = "info"
    dtmf_duration: Annotated[
        int,
        Opt(
            "Length of a digit, 70 to 6000 milliseconds.",
            whole("whole milliseconds", "MILLISECONDS", least=70, most=6000),
            "Calls",
            calls_only=True,
        ),
    ] = 100
    dtmf_gap: Annotated[
        int,
        Opt(
            "Time between digits, at least 50 milliseconds.",
            whole("whole milliseconds", "MILLISECONDS", least=50),
            "Calls",
            calls_only=True,
        ),
    ] = 500
    session_timers: Annotated[bool, Opt("Offer session timers (RFC 4028).", BOOLEAN, "Calls", calls_only=True)] = True
    session_expires: Annotated[
        int,
        Opt("Session interval to offer.", whole("whole seconds", "SECONDS", least=90), "Calls", calls_only=True),
    ] = 1800
    rtp_timeout: Annotated[
        float,
        Opt("Time without RTP after which a call is ended; 0 for never.", _SECONDS_OR_ZERO, "Calls", calls_only=True),
    ] = 10.0
    stun_servers: Annotated[
        tuple[str, ...], Opt("STUN server; none is asked unless set.", STUN_SERVERS, "Calls", calls_only=True)
    ] = ()
    turn_servers: Annotated[
        tuple[IceServer, ...],
        Opt("TURN server; a table holds urls, username and password.", TURN_SERVERS, "Calls", calls_only=True),
    ] = ()
    ice_servers: Annotated[
        tuple[IceServer, ...],
        Opt("STUN and TURN servers as in RTCConfiguration.", ICE_SERVERS, "Calls", calls_only=True, flag=False),
    ] = ()
    turn_password: Annotated[
        str | None,
        Opt(
            "Password of TURN servers that have none.", TEXT, "Calls", metavar="PASSWORD", secret=True, calls_only=True
        ),
    ] = None
    turn_password_file: Annotated[
        str | None, Opt("File whose first line is that password.", PATH, "Calls", calls_only=True)
    ] = None
    turn_password_command: Annotated[
        tuple[str, ...] | None, Opt("Command that prints that password.", COMMAND, "Calls", calls_only=True)
    ] = None
    ice_checking_timeout: Annotated[
        float, Opt("Longest time to gather candidates, in milliseconds.", MILLISECONDS, "Calls", calls_only=True)
    ] = 2000.0
    ice_transport_policy: Annotated[
        str, Opt("Which candidates are used.", choice("all", "relay"), "Calls", calls_only=True)
    ] = "all"
    bundle_policy: Annotated[
        str,
        Opt("How media share a transport.", choice("balanced", "max-compat", "max-bundle"), "Calls", calls_only=True),
    ] = "balanced"
    rtcp_mux_policy: Annotated[
        str, Opt("Whether RTCP shares the port of RTP.", choice("require", "negotiate"), "Calls", calls_only=True)
    ] = "require"
    hack_strip_tcp: Annotated[bool, Opt("Leave TCP candidates out of SDP.", BOOLEAN, "Calls", calls_only=True)] = False
    hack_clean_jitsi_sdp_imageattr: Annotated[
        bool,
        Opt(
            "Remove imageattr lines from SDP.",
            BOOLEAN,
            "Calls",
            no_effect="imageattr lines are ignored in any case",
            calls_only=True,
            flag=False,
        ),
    ] = False
    session_description_handler_factory: Annotated[
        Callable[..., object] | None,
        Opt(
            "Function of the session and its options that returns its media.",
            FUNCTION,
            "Calls",
            python_only=True,
            calls_only=True,
            flag=False,
        ),
    ] = None
    custom: Annotated[
        Mapping[str, object],
        Opt("Whatever the application keeps here.", TABLE, "Identity", no_effect="it is the application's", flag=False),
    ] = {}

    @property
    def log(self) -> Log:
        """The ``log`` parameters together."""
        return Log(self.log_builtin_enabled, self.log_level, self.log_connector)


PARAMETERS: Parameters = Config.parameters
