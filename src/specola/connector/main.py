"""The process `connector`: ways into computings, kept open."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import uvloop

from specola import logging
from specola.clock import Clock
from specola.computing.batch.enrolment import Enrolment
from specola.computing.kinds import Context, open_computing
from specola.config import Settings
from specola.connector.agents import HEAD_BYTES as AGENT_HEAD, AgentServer
from specola.connector.direct import DirectConnector
from specola.connector.directory import Directory
from specola.connector.ended_accounts import EndedAccounts
from specola.connector.follower import Follower
from specola.connector.host_records import host_of
from specola.connector.hosts_server import BUFFER as HOSTS_BUFFER, HostsServer
from specola.connector.identities import ConnectorIdentities
from specola.connector.proving import Prover
from specola.connector.records import records_at, report
from specola.connector.relay import Relays
from specola.connector.sampler import Sampler
from specola.connector.scout import Scout
from specola.connector.server import create_app
from specola.connector.ssh.main import serve_ssh
from specola.connector.telling import telling_found
from specola.connector.terminal import Sessions, TerminalServer
from specola.connector.terminal.server import HEAD_BYTES
from specola.connector.trials import TrialIdentities
from specola.domain.software import TERMINAL
from specola.hosts.registered import RegisteredHosts
from specola.installation import computing_context
from specola.lifetime import asked_to_end
from specola.listening import bind, listener

__all__ = ["run", "serve"]


async def serve(settings: Settings, *, context: Context, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Parameters
    ----------
    context
        What the computings of the installation share, beside hosts: the connections to them are held here.
    stop
        Ends the process.
    """
    directory = Directory(lambda name, kind, values: open_computing(kind, name=name, settings=values, context=shared))
    identities = ConnectorIdentities(settings.internal_socket, settings.signer_socket, clock=context.clock)
    known = TrialIdentities(identities)
    hosts = RegisteredHosts(partial(host_of, directory), known, local_user=settings.run_as, own=directory.is_own)
    directory.on_forgetting(hosts.forget)
    shared = replace(context, hosts=hosts, awaits_agents=True)
    agents = AgentServer(directory, Enrolment.make(settings.data))
    questions = HostsServer(hosts)
    sampler = Sampler(directory)
    records = records_at(settings.internal_socket, clock=context.clock)
    relays = Relays(settings.streams, directory, owner=settings.run_as)
    terminals = TerminalServer(
        Sessions(directory, context.clock), used=lambda task, person: records.note_use(task, TERMINAL.name, person)
    )
    prover = Prover(partial(host_of, directory), identities, own=directory.is_own)
    server = listener(create_app(DirectConnector(directory, sampler, prover)))
    parts = [
        Follower(settings.internal_socket, directory).run(),
        EndedAccounts(settings.internal_socket, hosts).run(),
        sampler.run(),
        relays.run(),
        report(records, sampler, clock=context.clock),
        _scout(settings, directory),
    ]
    if settings.ssh_bind:
        parts.append(serve_ssh(settings, directory=directory, clock=context.clock, records=records))
    try:
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(part) for part in parts]
            async with _open(settings, terminals, questions, agents):
                serving = group.create_task(server.serve([bind(settings.connector_socket, owner=settings.run_as)]))
                _ = await stop.wait()
                server.should_exit = True
                await serving
                hosts.close()
            for part in working:
                part.cancel()
        await records.close()
    finally:
        hosts.close()
        await identities.close()
        await directory.close()


@asynccontextmanager
async def _open(
    settings: Settings, terminals: TerminalServer, questions: HostsServer, agents: AgentServer
) -> AsyncIterator[None]:
    """Have the sockets open that carry streams, for the body; then close them, with what is open by them."""
    owner = settings.run_as
    windows = await asyncio.start_unix_server(
        terminals.accept, sock=bind(settings.terminals_socket, owner=owner), limit=HEAD_BYTES
    )
    # Nobody but the worker needs it, so the user that `web` and `gateway` become is not let in.
    asking = await asyncio.start_unix_server(questions.accept, sock=bind(settings.hosts_socket), limit=HOSTS_BUFFER)
    calling = await asyncio.start_unix_server(
        agents.accept, sock=bind(settings.agents_socket, owner=owner), limit=AGENT_HEAD
    )
    try:
        yield
    finally:
        for listening in (windows, asking, calling):
            listening.close()
        await agents.close()
        await questions.close()
        await terminals.close()


async def _scout(settings: Settings, directory: Directory) -> None:
    async with telling_found(settings.internal_socket) as tell:
        await Scout(directory, tell).run()


def run(settings: Settings) -> None:
    """Run the process to its end."""
    logging.configure(settings, process="connector")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    await serve(settings, context=computing_context(settings, Clock()), stop=asked_to_end())
