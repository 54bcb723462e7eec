"""``sipcli lab``: the embedded server on loopback, alone or round another command."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

import click

from sipcli.cli.flags import Seconds
from sipcli.cli.output import Outcome
from sipcli.cli.runner import Command, Run
from sipcli.lab.server import DEFAULT_USERS, Lab
from sipcli.lab.services import NUMBER_PLAN
from sipcli.trace import TraceSink

__all__ = ["command"]

_ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
# What a shell says of a command that it cannot start.
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
# What CMD has to stop in when the time is over, in seconds.
_GRACE = 0.5


def _delay(text: str) -> float:
    """Return the seconds that a time such as 50ms or 0.2s is; a bare number is milliseconds."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]+)?)(ms|s)?", text.strip().lower())
    if match is None:
        raise click.BadParameter(f'expected a time such as 50ms or 0.2s, got: "{text}"')
    return float(match[1]) * (1.0 if match[2] == "s" else 0.001)


def _share(text: str) -> float:
    """Return the share, from 0 to 1, that a text such as 5% or 0.05 is."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)(%)?", text.strip())
    share = 2.0 if match is None else float(match[1]) / (100 if match[2] else 1)
    if share > 1:
        raise click.BadParameter(f'expected a share such as 5% or 0.05, got: "{text}"')
    return share


class _Wrapper(Command):
    """A command whose options end where another command begins."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what stands after the command's name in its usage line, options first."""
        *arguments, options = super().collect_usage_pieces(ctx)
        return [options, *arguments]


@click.command(
    "lab",
    cls=_Wrapper,
    timeout=None,
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
    help="""Run a practice SIP server on this machine: registrar, proxy, echo.

    Prints its users and how to reach it, and runs until Ctrl-C. With -- CMD it runs CMD with SIPCLI_* set to the
    first user, and returns CMD's exit code.""",
    examples=(
        ("sipcli lab", "three users and echo@, until Ctrl-C"),
        ("sipcli lab -- sipcli message echo@127.0.0.1 hi -t", "one command against a server of its own"),
        ("sipcli lab -- pytest", "a test suite that reads SIPCLI_*"),
        ("sipcli lab --user dave:secret --algorithm MD5 --min-expires 120", "a server as strict as yours"),
    ),
    details=(
        "It listens on 127.0.0.1 and speaks SIP over WebSocket (RFC 7118) with digest authentication. Users reach each "
        "other by MESSAGE, OPTIONS, INVITE and any other method once they are registered.",
        "Number plan: " + "; ".join(f"{name}@ {what}" for name, what in NUMBER_PLAN.items()) + ".",
        "CMD sees SIPCLI_URI, SIPCLI_WS_SERVERS and SIPCLI_PASSWORD of the first user, SIPCLI_LAB_USERS, and "
        "SIPCLI_LAB_<USER>_URI and SIPCLI_LAB_<USER>_PASSWORD of each. Of the caller's own SIPCLI_* it sees none, and "
        "no configuration file, so that it reaches nobody but the lab.",
        "--trace-sip and --trace-file show what the lab sends and receives.",
        "Passwords are made up anew each time unless --user or --seed is given.",
    ),
)
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=0, help="The port (a free one).")
@click.option(
    "--user", "users", metavar="NAME[:PASSWORD]", multiple=True, help="A user; repeat it for more (alice, bob, carol)."
)
@click.option(
    "--algorithm",
    "algorithms",
    metavar="NAME",
    multiple=True,
    type=click.Choice(_ALGORITHMS, case_sensitive=False),
    help="Offer this digest algorithm; repeat it for more (SHA-256 and MD5).",
)
@click.option(
    "--min-expires",
    metavar="SECONDS",
    type=click.IntRange(0, 2**31),
    default=0,
    help="Answer 423 to a registration for less.",
)
@click.option("--nonce-lifetime", metavar="SECONDS", type=Seconds(), default=300.0, help="Then a nonce is stale (300).")
@click.option("--seed", metavar="N", type=int, help="Make the same passwords and identifiers each time.")
@click.option("--delay", metavar="TIME", type=_delay, default="0", help="Hold back what it sends, such as 50ms.")
@click.option("--loss", metavar="SHARE", type=_share, default="0", help="Lose messages each way, such as 5%.")
@click.option("--listen", metavar="ADDRESS", help="Listen there instead of on loopback: others can reach it.")
@click.argument("cmd", metavar="[-- CMD...]", nargs=-1, type=click.UNPROCESSED)
async def command(
    run: Run,
    port: int,
    users: tuple[str, ...],
    algorithms: tuple[str, ...],
    min_expires: int,
    nonce_lifetime: float,
    seed: int | None,
    delay: float,
    loss: float,
    listen: str | None,
    cmd: tuple[str, ...],
) -> Outcome:
    """Run the lab, and CMD in it."""
    with _trace(run) as sinks:
        try:
            lab = Lab(
                listen or "127.0.0.1",
                port,
                dict(map(_user, users)) or DEFAULT_USERS,
                algorithms=algorithms or ("SHA-256", "MD5"),
                min_expires=min_expires,
                nonce_lifetime=nonce_lifetime,
                seed=seed,
                delay=delay,
                loss=loss,
                listen=listen is not None,
                trace=sinks,
            )
        except ValueError as error:
            return Outcome.usage(str(error))
        try:
            await lab.start()
        except OSError as error:
            return Outcome.usage(f"cannot listen on {lab.host} port {lab.port}: {error.strerror}")
        try:
            run.fields.update(url=lab.url, domain=lab.domain)
            _announce(run, lab, quietly=bool(cmd))
            if cmd:
                return await _run_inside(run, lab, cmd)
            for_ever: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            return await for_ever
        finally:
            await lab.stop()


def _trace(run: Run) -> AbstractContextManager[Sequence[TraceSink]]:
    # The lab itself needs no configuration: it is not read, and cannot be wrong, unless a trace is asked for.
    if run.flags.keys().isdisjoint(("trace_sip", "trace_file")):
        return nullcontext(())
    from sipcli.cli.tracing import trace_sinks

    return trace_sinks(run.output, run.load())


def _user(text: str) -> tuple[str, str | None]:
    name, colon, password = text.partition(":")
    return name, password if colon else None


def _announce(run: Run, lab: Lab, *, quietly: bool) -> None:
    """Say where the lab is and who lives there; with CMD, standard output is CMD's unless it is JSON."""
    first = next(iter(lab.users))
    run.output.event(
        "lab.started",
        url=lab.url,
        domain=lab.domain,
        users=[{"user": user, "uri": lab.uri(user), "password": password} for user, password in lab.users.items()],
        environment=_environment(lab),
    )
    if quietly:
        return
    line = run.output.line
    line(f"the lab listens on {lab.url}", bullet="✓")
    width = max(len(lab.uri(user)) for user in (*lab.users, *NUMBER_PLAN))
    for user, password in lab.users.items():
        line(f"  {lab.uri(user):{width}}  password {password}")
    for name, what in NUMBER_PLAN.items():
        line(f"  {lab.uri(name):{width}}  {what}")
    line()
    for name, value in lab.environment(first).items():
        line(f"export {name}={shlex.quote(value)}")
    run.output.note(
        f"in another terminal: paste the export lines, then sipcli message {lab.uri('echo')} hi; Ctrl-C ends the lab"
    )


def _environment(lab: Lab) -> dict[str, str]:
    environment = {**lab.environment(next(iter(lab.users))), "SIPCLI_LAB_USERS": " ".join(lab.users)}
    for user, password in lab.users.items():
        # The name of an environment variable is upper case, digits and underscores.
        name = re.sub(r"[^A-Z0-9]", "_", user.upper())
        environment |= {f"SIPCLI_LAB_{name}_URI": lab.uri(user), f"SIPCLI_LAB_{name}_PASSWORD": password}
    return environment


# CMD


async def _run_inside(run: Run, lab: Lab, cmd: Sequence[str]) -> Outcome:
    """Run CMD with the lab's environment to its end; its exit status is ours."""
    inherited = {name: value for name, value in run.environ.items() if not name.startswith("SIPCLI_")}
    environ = {**inherited, "SIPCLI_CONFIG": os.devnull, **_environment(lab)}
    try:
        process = await asyncio.create_subprocess_exec(*cmd, env=environ)
    except FileNotFoundError:
        return Outcome(_NOT_FOUND, problem=f"{cmd[0]}: command not found")
    except OSError as error:
        return Outcome(_NOT_EXECUTABLE, problem=f"{cmd[0]}: {error.strerror}")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers; there CMD is ended when we are.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, _forward, process, number)
    try:
        status = await process.wait()
    finally:
        await _end(process)
    # As a shell says it: a signal is 128 and its number.
    status = 128 - status if status < 0 else status
    return Outcome(status, problem=f"{cmd[0]} ended with {status}" if status else None, explained=True)


def _forward(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # Ctrl-C reaches CMD by itself, and its second one means something else.
    if process.returncode is None and not (number is signal.SIGINT and _in_foreground()):
        process.send_signal(number)


def _in_foreground() -> bool:
    """Tell whether a terminal sends its Ctrl-C to our process group, CMD included."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End CMD when the lab ends first: by ``--timeout``."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
