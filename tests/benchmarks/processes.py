"""Whole processes: start-up, help, and one MESSAGE through Kamailio beside JsSIP in node.

Run it as ``python -m tests.benchmarks.processes``; it needs Kamailio, node and JsSIP (tests/peers/install.sh).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import Cost, Figure, cpu_ratio, measure_process, memory_ratio, report, rounds
from tests.peers.kamailio import DOMAIN, Kamailio, password_of
from tests.program import environment, running

_ROUNDS = 15
_HERE = Path(__file__).parent
_PEERS = _HERE.parent / "peers"
_MINIMAL_CLICK = """
import click
@click.group()
def main(): "A program."
@main.command()
def register(): "Register."
@main.command()
def message(): "Send."
main()
"""


def _python(*arguments: str, home: Path) -> Cost:
    return measure_process([sys.executable, *arguments], environ=_environment(home), cwd=home)


def _environment(home: Path) -> dict[str, str]:
    variables = environment(home)
    del variables["PYTHONWARNINGS"]
    return variables


def _sipcli() -> list[str]:
    """The installed script where there is one, as a user starts it."""
    script = Path(sys.executable).with_name("sipcli")
    return [str(script)] if script.exists() else [sys.executable, "-m", "sipcli"]


def start_up(home: Path) -> bool:
    """``--version`` beside an empty program, ``--help`` beside a minimal group's."""
    sipcli = _sipcli()
    costs = rounds(
        _ROUNDS,
        **{
            "python -c pass": lambda: _python("-c", "pass", home=home),
            "sipcli --version": lambda: measure_process([*sipcli, "--version"], environ=_environment(home), cwd=home),
            "minimal click --help": lambda: _python("-c", _MINIMAL_CLICK, "--help", home=home),
            "sipcli --help": lambda: measure_process([*sipcli, "--help"], environ=_environment(home), cwd=home),
        },
    )
    return report(
        "Start-up",
        costs,
        [
            Figure("--version / python -c pass", cpu_ratio(costs, "sipcli --version", "python -c pass"), 2.0),
            Figure("--help / minimal click --help", cpu_ratio(costs, "sipcli --help", "minimal click --help"), 1.2),
        ],
    )


def one_message(home: Path) -> bool:
    """One MESSAGE over WebSocket to a user of Kamailio's, digest and all, beside JsSIP."""
    with Kamailio(home / "kamailio") as server:
        account = {
            "SIPCLI_URI": f"alice@{DOMAIN}",
            "SIPCLI_WS_SERVERS": server.url,
            "SIPCLI_PASSWORD": password_of("alice"),
        }
        target = f"sip:bob@{DOMAIN}"
        node = shutil.which("node")
        assert node is not None
        script = _PEERS / "node_modules" / ".sipcli-message.js"
        shutil.copyfile(_HERE / "jssip_message.js", script)
        with running(
            "listen",
            home=home,
            environ=account | {"SIPCLI_URI": f"bob@{DOMAIN}", "SIPCLI_PASSWORD": password_of("bob")},
        ) as bob:
            bob.expect("registration.registered")
            sipcli = [*_sipcli(), "message", target, "hi"]
            jssip = [node, str(script), server.url, "alice", password_of("alice"), target]
            costs = rounds(
                _ROUNDS,
                **{
                    "JsSIP": lambda: measure_process(jssip, cwd=home),
                    "sipcli message": lambda: measure_process(sipcli, environ=_environment(home) | account, cwd=home),
                },
            )
            bob.end()
        script.unlink()
    return report(
        "One MESSAGE to Kamailio",
        costs,
        [
            Figure("CPU, sipcli / JsSIP", cpu_ratio(costs, "sipcli message", "JsSIP"), 1.0),
            Figure("peak memory, sipcli / JsSIP", memory_ratio(costs, "sipcli message", "JsSIP"), 0.55),
        ],
    )


def main() -> int:
    """Run both groups; 1 when a goal was missed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        return 0 if all([start_up(home), one_message(home)]) else 1


if __name__ == "__main__":
    sys.exit(main())
