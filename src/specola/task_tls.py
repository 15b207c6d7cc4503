"""How tasks are spoken to by TLS."""

import ssl
from collections.abc import Sequence

__all__ = ["task_tls"]


def task_tls(offered: Sequence[str] = ()) -> ssl.SSLContext:
    """Return a context that encrypts and does not verify.

    A task makes its own certificate, and nobody vouches for it. Nobody stands between either: a task's endpoint is inside
    its own network, or a Unix socket of the connector. So this is for endpoints of tasks, and for nothing else.

    Parameters
    ----------
    offered
        The protocols that are offered inside (ALPN), such as `http/1.1`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if offered:
        context.set_alpn_protocols(list(offered))
    return context
