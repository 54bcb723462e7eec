"""Option tags (RFC 3261 §19.2; PARAMETERS rows 15, 89, 90, 100)."""

from __future__ import annotations

from typing import Any

import pytest

from sipcli.config import Config
from sipcli.sip.option_tags import supported_tags


@pytest.mark.parametrize(
    ("settings", "register", "others"),
    [
        ({}, "path gruu outbound", "outbound"),
        ({"rel100": "supported"}, "path gruu 100rel outbound", "100rel outbound"),
        ({"rel100": "required"}, "path gruu outbound", "outbound"),
        ({"replaces": "supported"}, "path gruu outbound", "replaces outbound"),
        ({"extra_supported": ["timer", "own", "path"]}, "path gruu outbound timer", "outbound timer path"),
        (
            {"extra_supported": ["own"], "hack_allow_unregistered_option_tags": True},
            "path gruu outbound own",
            "outbound own",
        ),
    ],
)
def test_supported(settings: dict[str, Any], register: str, others: str) -> None:
    """In the order of SIP.js, each once."""
    config = Config(**settings)
    assert " ".join(supported_tags(config, register=True)) == register
    assert " ".join(supported_tags(config)) == others
    assert supported_tags(config, gruu=True)[0] == "gruu"
