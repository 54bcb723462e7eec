"""Client transactions through the whole user agent, to Kamailio, beside JsSIP in node.

Run it as ``python -m tests.benchmarks.user_agent``; it needs Kamailio, node and JsSIP (tests/peers/install.sh).
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sipcli import UA, Config
from tests.benchmarks.measure import Figure
from tests.peers.kamailio import DOMAIN, Kamailio

_HERE = Path(__file__).parent
_NODE_MODULES = _HERE.parent / "peers" / "node_modules"
_COUNT = 3000
_OUTSTANDING = 32
_ROUNDS = 3
_MANY = 100_000
# What the peak may still rise between the two halves of many transactions, in MiB.
_FLAT = 1.0


async def _transactions(ua: UA, count: int) -> None:
    """Send ``count`` OPTIONS, ``_OUTSTANDING`` of them at a time."""
    left = iter(range(count))

    async def one_after_another() -> None:
        for _ in left:
            await ua.request("OPTIONS", f"sip:{DOMAIN}")

    await asyncio.gather(*(one_after_another() for _ in range(_OUTSTANDING)))


async def _sipcli(url: str) -> float:
    """Return the CPU microseconds of a transaction, after a tenth of them that does not count."""
    config = Config(uri=f"alice@{DOMAIN}", ws_servers=url, register=False)
    async with UA(config) as ua:
        await _transactions(ua, _COUNT // 10)
        before = time.process_time()
        await _transactions(ua, _COUNT)
        return (time.process_time() - before) / _COUNT * 1e6


def _jssip(url: str) -> float:
    node = shutil.which("node")
    assert node is not None
    script = _NODE_MODULES / ".sipcli-transactions.js"
    shutil.copyfile(_HERE / "jssip_transactions.js", script)
    command = [node, str(script), url, str(_COUNT), str(_OUTSTANDING)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    script.unlink()
    return float(done.stdout)


async def _growth(url: str) -> float:
    """Return what the peak memory rises over the second half of many transactions, in MiB."""
    config = Config(uri=f"alice@{DOMAIN}", ws_servers=url, register=False)
    async with UA(config) as ua:
        await _transactions(ua, _MANY // 2)
        half = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await _transactions(ua, _MANY // 2)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - half) / 1024


def main() -> int:
    """Print cost and growth; 1 when a goal was missed."""
    with tempfile.TemporaryDirectory() as folder, Kamailio(Path(folder)) as server:
        costs = [(asyncio.run(_sipcli(server.url)), _jssip(server.url)) for _ in range(_ROUNDS)]
        growth = asyncio.run(_growth(server.url))
    for ours, theirs in costs:
        print(f"  cpu us a transaction: sipcli {ours:6.1f}   JsSIP {theirs:6.1f}")
    figures = [
        Figure("CPU, sipcli / JsSIP", statistics.median(ours / theirs for ours, theirs in costs), 0.25),
        Figure(f"MiB that the peak rises over the last half of {_MANY}", growth, _FLAT),
    ]
    for figure in figures:
        print(f"  {figure}")
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
