"""Option tags: what Supported says and what Require may ask (RFC 3261 §8.2.2.3, §19.2, §20.37)."""

from __future__ import annotations

from sipcli.sip.settings import Settings

__all__ = ["REGISTERED_TAGS", "supported_tags"]

# The IANA registry of option tags.
REGISTERED_TAGS = frozenset(
    {
        *("100rel", "199", "answermode", "callerid", "early-session", "eventlist", "explicitsub", "from-change"),
        *("geolocation-http", "geolocation-sip", "gin", "gruu", "histinfo", "ice", "join", "multiple-refer"),
        *("norefersub", "nosub", "outbound", "path", "policy", "precondition", "pref", "privacy"),
        *("recipient-list-invite", "recipient-list-message", "recipient-list-subscribe", "record-aware", "replaces"),
        *("resource-priority", "sdp-anat", "sec-agree", "siprec", "tdialog", "timer", "trickle-ice", "uui"),
    }
)


def supported_tags(settings: Settings, *, register: bool = False, gruu: bool = False) -> tuple[str, ...]:
    """Return the tags for Supported, in the order of SIP.js.

    ``register``: in a REGISTER, which offers ``path`` and ``gruu``. ``gruu``: we hold one.
    """
    tags = ["path", "gruu"] if register else ["gruu"] if gruu else []
    if settings.rel100 == "supported":
        tags.append("100rel")
    if settings.replaces != "none" and not register:
        tags.append("replaces")
    tags.append("outbound")
    for tag in settings.extra_supported:
        allowed = settings.hack_allow_unregistered_option_tags or tag.lower() in REGISTERED_TAGS
        if allowed and tag not in tags:
            tags.append(tag)
    return tuple(tags)
