"""Which requests count as use, as a release declares it."""

import pytest

from specola.gateway.activity import Activity

ACTIVITY = Activity(["/api/metrics", "/poll/", "GET /api/kernels", "POST /beat"])


@pytest.mark.parametrize(
    ("method", "target", "counts"),
    [
        (b"GET", b"/api/metrics", False),
        (b"POST", b"/api/metrics?x=1", False),
        (b"GET", b"/api/metrics/cpu", False),
        (b"GET", b"/api/metrics2", True),
        (b"GET", b"/poll/", False),
        (b"GET", b"/poll", True),
        (b"GET", b"/", True),
        (b"GET", b"/api/kernels?1700000000", False),
        (b"GET", b"/api/kernels/k1", False),
        (b"POST", b"/api/kernels", True),
        (b"DELETE", b"/api/kernels/k1", True),
        (b"POST", b"/beat", False),
        (b"GET", b"/beat", True),
    ],
)
def test_paths_count_or_do_not(method: bytes, target: bytes, *, counts: bool) -> None:
    assert ACTIVITY.counts(method, target) is counts


def test_a_method_says_nothing_of_what_is_sent_on_a_websocket() -> None:
    assert ACTIVITY.counts(b"GET", b"/api/kernels/k1/channels", upgrade=True)
    assert not ACTIVITY.counts(b"GET", b"/api/metrics/live", upgrade=True)


def test_where_nothing_is_declared_everything_counts() -> None:
    assert Activity().counts(b"GET", b"/anything")
    assert Activity().pings == 1
