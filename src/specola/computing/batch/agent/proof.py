"""Proofs that both ends of a connection know a task's secret, which neither of them says."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["AGENT", "PLATFORM", "SCHEME", "is_proof", "proof"]

SCHEME = "Specola-Agent"
"""How an agent's `Authorization` begins; then come its task, a number used once, its proof."""
AGENT, PLATFORM = "agent", "platform"


def proof(secret: str, who: str, task: str, nonce: str) -> str:
    """Return what one of the two, `AGENT` or `PLATFORM`, shows the other for a number that is used once."""
    return hmac.new(secret.encode(), f"{who} {task} {nonce}".encode(), hashlib.sha256).hexdigest()


def is_proof(shown: str, secret: str, who: str, task: str, nonce: str) -> bool:
    """Tell whether a proof is right; a wrong one takes as long as a right one."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), proof(secret, who, task, nonce).encode())
