"""The secrets by which agents that dial out are known: made from a key of the platform's, and kept nowhere here."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Self

from specola.computing.batch.agent.proof import AGENT, PLATFORM, is_proof, proof
from specola.domain.task import TaskId
from specola.secrets import make_key

__all__ = ["Enrolment"]

TASK = re.compile(r"[0-9a-z_]{1,64}", re.ASCII)
NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Enrolment:
    """Makes the secret of each task, and checks what agents show.

    A secret is the task's name under a keyed hash (HMAC, RFC 2104): `worker`, which writes it into the task's folder, and
    `connector`, which checks it, come to the same one without telling each other, and nothing has to be kept.

    Parameters
    ----------
    key
        32 random bytes, for nothing else.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def make(cls, data: Path) -> Self:
        """Return it with the key of the installation in the folder `data`, which is made if there is none yet.

        It stands outside the folder of secrets, which `web` and `gateway` read.
        """
        return cls(make_key(data / "agents" / "key"))

    def secret(self, task: TaskId) -> str:
        """Return the secret of a task."""
        return hmac.new(self._key, f"agent of task {task}".encode(), hashlib.sha256).hexdigest()

    def answer(self, task: str, nonce: str, shown: str) -> str:
        """Return the platform's own proof for an agent that knows its task's secret; empty: it does not."""
        if TASK.fullmatch(task) is None or NONCE.fullmatch(nonce) is None:
            return ""
        secret = self.secret(task)
        return proof(secret, PLATFORM, task, nonce) if is_proof(shown, secret, AGENT, task, nonce) else ""
