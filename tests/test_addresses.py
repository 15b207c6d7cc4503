"""Addresses that lead into this machine."""

import socket

import pytest

from specola.addresses import is_here, is_inside, resolved


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::", "169.254.169.254", "fe80::1%lo"]
)
def test_loopback_and_what_only_a_link_knows_is_inside(address: str) -> None:
    assert is_inside(address)
    assert is_here(address)


def test_this_machines_other_addresses_are_here_and_others_are_not() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            # Nothing is sent: the kernel says which of its addresses it would use.
            asking.connect(("192.0.2.7", 9))
            own = asking.getsockname()[0]
        except OSError:
            own = "127.0.0.1"
    assert is_here(own)
    assert not is_here("192.0.2.7")
    assert not is_here("2001:db8::7")


@pytest.mark.anyio
async def test_names_are_looked_up() -> None:
    assert set(await resolved("localhost", 22)) & {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match="cannot be a name"):
        await resolved("a" * 70 + ".example", 22)
