"""Rules that keep tasks from this host's own listeners and from each other."""

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

__all__ = ["Firewall", "forget"]

IPTABLES = "iptables"
RESTORE = "iptables-restore"
# What may stand before our jumps: those of another installation, and the place Docker keeps for an operator's rules.
MAY_PRECEDE = ("-j SPECOLA-", "-j DOCKER-USER")
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
BUILT_IN = ("-A INPUT ", "-A FORWARD ")
# An installation's id has at most this many characters in a chain's name, which may have 28 in all.
ID = 12
# The jump of any installation: its pool, and its id.
JUMP = re.compile(r"-A INPUT -s (\S+) .*-j SPECOLA-HOST-([^ -]+)-[0-9a-f]{2}$")


@dataclass(frozen=True, slots=True)
class Firewall:
    """Two chains of our own, named after the installation, that all packets from task networks go through first.

    Packets are known by their source: a container has no right to send from another address (no NET_RAW, no NET_ADMIN),
    and IPv6 is switched off in it. The rules stay when the platform stops, since tasks live on.

    Parameters
    ----------
    installation
        The installation's id; it is part of the chains' names.
    pool
        Where all task networks are.
    names_from_bridge
        Whether containers ask the bridge's own address for names (Podman); then that alone is let through.
    """

    installation: str
    pool: IPv4Network
    names_from_bridge: bool

    @property
    def possible(self) -> bool:
        """Whether this process may change the rules and the programs for it are there."""
        return os.geteuid() == 0 and all(shutil.which(program) for program in (IPTABLES, RESTORE))

    async def ensure(self) -> None:
        """Put the rules in place, unless they are; safe to repeat. Raises OSError if it cannot be done."""
        present = (await _run([IPTABLES, "-w", "-S"])).splitlines()
        if not self._in_place(present):
            await _run([RESTORE, "-w", "--noflush"], self._table(present))

    async def neighbours(self) -> Sequence[str]:
        """Return the ids of other installations whose rules are here and whose pools overlap with this one's."""
        if not self.possible:
            return []
        found = [JUMP.match(rule) for rule in (await _run([IPTABLES, "-w", "-S", "INPUT"])).splitlines()]
        pools = {(one[2], IPv4Network(one[1])) for one in found if one is not None}
        return sorted({one for one, pool in pools if one != self.installation[:ID] and pool.overlaps(self.pool)})

    @property
    def _host(self) -> str:
        return f"SPECOLA-HOST-{self._suffix}"

    @property
    def _others(self) -> str:
        return f"SPECOLA-NET-{self._suffix}"

    @property
    def _suffix(self) -> str:
        return _suffix(self.installation, self.pool)

    @property
    def _jumps(self) -> dict[str, str]:
        # This host speaks to itself, by the bridges' addresses too, over the loopback; tasks never come in there.
        return {
            "INPUT": f"-A INPUT -s {self.pool} ! -i lo -j {self._host}",
            "FORWARD": f"-A FORWARD -s {self.pool} -j {self._others}",
        }

    def _rules(self) -> list[str]:
        """Return the rules of our chains, as `iptables -S` prints them."""
        names = [
            f"-A {self._host} -d {self.pool} -p {kind} -m {kind} --dport 53 -j ACCEPT"
            for kind in ("udp", "tcp")
            if self.names_from_bridge
        ]
        return [
            f"-A {self._host} {ESTABLISHED}",
            *names,
            f"-A {self._host} -j DROP",
            f"-A {self._others} {ESTABLISHED}",
            # Another task, a port that this host publishes for another container, the cloud's own metadata.
            f"-A {self._others} -d {self.pool} -j DROP",
            f"-A {self._others} -m conntrack --ctstate DNAT -j DROP",
            f"-A {self._others} -d 169.254.0.0/16 -j DROP",
        ]

    def _in_place(self, present: list[str]) -> bool:
        ours = [rule for rule in present if rule.startswith((f"-A {self._host} ", f"-A {self._others} "))]
        return (
            ours == self._rules()
            and sorted(self._present_jumps(present)) == sorted(self._jumps.values())
            and all(self._is_first(present, built_in) for built_in in self._jumps)
        )

    def _present_jumps(self, present: list[str]) -> list[str]:
        """Return every jump to our chains, also one as an earlier release made it."""
        ends = (f" -j {self._host}", f" -j {self._others}")
        return [rule for rule in present if rule.startswith(BUILT_IN) and rule.endswith(ends)]

    def _is_first(self, present: list[str], built_in: str) -> bool:
        """Tell whether our jump comes before whatever could let a packet through: engines insert theirs on top."""
        for rule in present:
            if rule == self._jumps[built_in]:
                return True
            if rule.startswith(f"-A {built_in} ") and not any(word in rule for word in MAY_PRECEDE):
                return False
        return False

    def _table(self, present: list[str]) -> str:
        """Return what `iptables-restore` makes true in one step: naming a chain empties it."""
        lines = ["*filter", f":{self._host} - [0:0]", f":{self._others} - [0:0]", *self._rules()]
        lines += [rule.replace("-A ", "-D ", 1) for rule in self._present_jumps(present)]
        for built_in, jump in self._jumps.items():
            lines.append(jump.replace(f"-A {built_in}", f"-I {built_in} 1", 1))
        return "\n".join([*lines, "COMMIT", ""])


async def forget(installation: str, *, keep: Collection[IPv4Network] = ()) -> None:
    """Remove an installation's chains and the jumps to them, but for those of the pools in `keep`.

    What a pool that is no longer set, or an installation that is gone, has left is removed so. Raises OSError if it
    cannot be done.
    """
    kept = {_suffix(installation, pool) for pool in keep}
    present = (await _run([IPTABLES, "-w", "-S"])).splitlines()
    ours = re.compile(rf"SPECOLA-(?:HOST|NET)-({re.escape(installation[:ID])}-[0-9a-f]{{2}})$")
    chains = [rule.removeprefix("-N ") for rule in present if rule.startswith("-N ")]
    stale = [one for one in chains if (found := ours.match(one)) and found[1] not in kept]
    if not stale:
        return
    ends = tuple(f" -j {one}" for one in stale)
    jumps = [rule.replace("-A ", "-D ", 1) for rule in present if rule.startswith(BUILT_IN) and rule.endswith(ends)]
    lines = ["*filter", *jumps, *(f"-F {one}" for one in stale), *(f"-X {one}" for one in stale), "COMMIT", ""]
    await _run([RESTORE, "-w", "--noflush"], "\n".join(lines))


def _suffix(installation: str, pool: IPv4Network) -> str:
    # Two engines of one installation have two pools, and so two pairs of chains.
    return f"{installation[:ID]}-{hashlib.sha256(str(pool).encode()).hexdigest()[:2]}"


async def _run(argv: list[str], text: str = "") -> str:
    # A command that reads nothing may end before an empty text is written to it, which uvloop takes for an error.
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE if text else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate(text.encode() or None)
    if process.returncode:
        raise OSError(f"{argv[0]}: {complaint.decode(errors='replace').strip()}")
    return output.decode()
