"""What every test may ask for: a lab."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sipcli.lab.server import Lab


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """A running lab on loopback with the users alice, bob and carol."""
    async with Lab() as lab:
        yield lab
