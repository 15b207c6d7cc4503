"""What a cluster's pods get, and that whatever a cluster answers is got over with few questions."""

import asyncio
import contextlib
import json
import signal
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab import kubernetes
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError
from specola.computing.kubernetes.kubeconfig import inside, read
from specola.domain.computing import Capability, HomeMount, Launch, Phase
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.placement import Placement
from specola.domain.software import PreStop, Resources
from specola.ports.computing import Computing, HasFiles, HasLogs, HasPorts, Watches
from tests.support.commands import run
from tests.support.faults import Answer, Front, in_front
from tests.support.images import BARE_IMAGE, LOGIN_IMAGE, NAMED_USER_IMAGE, TEST_IMAGE
from tests.support.killed import kill_during
from tests.support.kubernetes import PERSON, Cluster, KubernetesPlace
from tests.support.places import ECHO, HTTP, Reports, a_launch, budget, context, until
from tests.support.sftp import FileClient

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.lab, pytest.mark.kubernetes]

STEPS = ("image_ready", "home_ready", "created", "started")
SECOND = timedelta(seconds=1)
MIB = 1024**2


@pytest.fixture
async def place(kubernetes_cluster: Cluster, tmp_path: Path) -> AsyncIterator[KubernetesPlace]:
    """The cluster; what a test leaves there is removed."""
    one = KubernetesPlace(context(tmp_path), kubernetes_cluster)
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
async def front(kubernetes_cluster: Cluster) -> AsyncIterator[Front]:
    """A server in front of the cluster's, without TLS, that answers what a test wants."""
    api = kubernetes_cluster.lab.administrator
    parts = urlsplit(api.server)
    trust = ssl.create_default_context(cadata=api.authority)
    assert parts.hostname
    assert parts.port
    async with in_front(parts.hostname, parts.port, trust) as one:
        yield one


def behind(place: KubernetesPlace, front: Front, **settings: object) -> Computing:
    """Open the computing behind that server."""
    text = place.settings["kubeconfig"].replace(place.cluster.lab.server, f"http://127.0.0.1:{front.port}")
    return place.open_with({"kubeconfig": text, **settings})


def with_home(place: KubernetesPlace, launch: Launch, *, read_only: bool = False) -> Launch:
    """Return a launch with a home and scratch, the home that of a person whom only this test knows."""
    home = HomeMount(key=f"ann-{place.context.installation}", number=PERSON, path="/home/ann", read_only=read_only)
    return replace(launch, home=home, scratch="/scratch")


async def wrote(place: KubernetesPlace, handle: str) -> list[str]:
    assert isinstance(place.computing, HasLogs)
    return [line.text async for line in place.computing.logs(handle)]


async def test_pod_of_the_cluster_asks_it_by_its_own_account(place: KubernetesPlace, tmp_path: Path) -> None:
    outside = read(place.settings["kubeconfig"])
    account, parts = tmp_path / "account", urlsplit(outside.server)
    account.mkdir()
    (account / "ca.crt").write_text(outside.authority)
    (account / "token").write_text("one that has expired")
    said = {"KUBERNETES_SERVICE_HOST": str(parts.hostname), "KUBERNETES_SERVICE_PORT": str(parts.port)}
    api = Api(lambda: inside(account, said), local=True)
    path = f"/api/v1/namespaces/{place.cluster.lab.namespace}/pods"
    with pytest.raises(ApiError) as caught:
        await api.get(path)
    assert caught.value.status == 401
    (account / "token").write_text(outside.token)
    assert (await api.get(path))["kind"] == "PodList"
    await api.close()


@pytest.mark.parametrize("step", STEPS)
async def test_launch_that_was_killed_is_mended_by_the_next(place: KubernetesPlace, step: str) -> None:
    launch = place.shell("echo once; exec sleep 1000")
    await kill_during(place, launch, after=step)
    other = place.open()
    handle = await other.launch(launch, report=Reports(), budget=budget())
    await until(lambda: runs(place, handle))
    assert await place.starts(launch) == 1
    await until(lambda: has_written(place, handle, ["once"]))
    assert len(place.left()) == 2
    await place.computing.remove(handle)
    await until(lambda: is_empty(place), seconds=60)


async def runs(place: KubernetesPlace, handle: str) -> bool:
    return (await place.observe(handle)).phase is Phase.RUNNING


async def has_written(place: KubernetesPlace, handle: str, texts: list[str]) -> bool:
    return await wrote(place, handle) == texts


async def is_empty(place: KubernetesPlace) -> bool:
    return not place.left()


async def test_pod_has_what_the_restricted_profile_wants_and_no_more(place: KubernetesPlace) -> None:
    handle = await place.launch(with_home(place, place.shell("sleep 1000")))
    done = await run(
        place.computing,
        handle,
        [
            "sh",
            "-c",
            "id -u; id -g; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; env; ls /var/run/secrets",
        ],
    )
    text = done.output.decode()
    assert text.splitlines()[:2] == [str(PERSON), str(PERSON)]
    assert "CapEff:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text
    assert "Seccomp:\t2" in text
    assert "KUBERNETES_SERVICE" not in text.replace("KUBERNETES_SERVICE_HOST", "").replace(
        "KUBERNETES_SERVICE_PORT", ""
    )
    spec = place.pod(handle)["spec"]
    assert "hostPath" not in json.dumps(spec["volumes"])
    assert spec["automountServiceAccountToken"] is False
    annotations = place.pod(handle)["metadata"]["annotations"]
    assert annotations["kubernetes.io/psp"] == "restricted"


async def test_credential_is_a_file_that_only_its_task_reads(place: KubernetesPlace) -> None:
    launch = place.shell('cat "$SPECOLA_CREDENTIAL_FILE"; stat -c %a:%u "$SPECOLA_CREDENTIAL_FILE"; exec sleep 1000')
    handle = await place.launch(launch)
    await until(lambda: has_written(place, handle, [f"{launch.credential}400:{PERSON}"]))
    assert launch.credential not in json.dumps(place.pod(handle))


async def test_dollars_in_commands_and_variables_are_no_variables_of_the_cluster(place: KubernetesPlace) -> None:
    launch = place.shell('echo "$ODD"; echo "$(echo 1)" $((1 + 1)) $$')
    handle = await place.launch(replace(launch, environment={"ODD": "$(HOME) $$ $x"}))
    await place.ended(handle)
    assert await wrote(place, handle) == ["$(HOME) $$ $x", "1 2 1"]


async def test_home_is_kept_and_scratch_is_not(place: KubernetesPlace) -> None:
    first = await place.launch(with_home(place, place.shell("echo mine >/home/ann/a; echo x >/scratch/b")))
    assert (await place.ended(first)).exit_code == 0
    await place.computing.remove(first)
    script = "cat /home/ann/a; ls /scratch; touch /home/ann/c || echo refused"
    second = await place.launch(with_home(place, place.shell(script), read_only=True))
    await place.ended(second)
    lines = await wrote(place, second)
    assert lines[0] == "mine"
    assert "refused" in lines
    assert "b" not in lines


@pytest.mark.parametrize("reference", [TEST_IMAGE.reference, NAMED_USER_IMAGE.reference])
async def test_image_of_root_or_of_a_named_user_is_refused_with_a_hint(place: KubernetesPlace, reference: str) -> None:
    with pytest.raises(LaunchError) as caught:
        await place.computing.launch(a_launch(place.cluster.name(reference)), report=Reports(), budget=budget())
    assert caught.value.reason_code == "image_user"
    assert "user: home" in caught.value.hint
    assert place.left() == []


async def test_image_without_a_shell_runs_as_its_own_user_with_all_that_others_have(place: KubernetesPlace) -> None:
    handle = await place.launch(a_launch(place.cluster.name(BARE_IMAGE.reference)))
    done = await run(place.computing, handle, ["/.specola/busybox", "id", "-u"])
    assert (done.code, done.output) == (0, b"4711\n")


async def test_command_that_the_image_does_not_have_is_told(place: KubernetesPlace) -> None:
    handle = await place.launch(place.of_image(TEST_IMAGE.reference, "no-such-program"))
    seen = await place.ended(handle)
    assert seen.reason == "command_unknown"
    assert "no-such-program" in seen.sentence


async def test_out_of_memory_is_told(place: KubernetesPlace) -> None:
    launch = place.shell("exec dd if=/dev/zero of=/dev/null bs=200M count=1")
    handle = await place.launch(replace(launch, resources=Resources(cpus=1, memory=32 * MIB)))
    seen = await place.ended(handle)
    # A busy node hears of the end before it hears of the memory, and then tells a kill alone.
    assert "memory" in f"{seen.reason} {seen.sentence}"
    assert seen.exit_code == 137


async def test_what_fits_nowhere_is_told_in_plain_words_and_can_be_stopped(place: KubernetesPlace) -> None:
    launch = replace(place.shell("sleep 1000"), resources=Resources(cpus=1, memory=64 * MIB, gpus=5))
    handle = await place.computing.launch(launch, report=Reports(), budget=budget())

    async def is_told() -> bool:
        return "GPUs" in (await place.observe(handle)).sentence

    await until(is_told)
    seen = await place.observe(handle)
    assert (seen.phase, seen.reason, seen.raw) == (Phase.CREATED, "resources", "Pending/Unschedulable")
    assert "Insufficient nvidia.com/gpu" in seen.sentence
    await place.computing.stop(handle, grace=SECOND)
    assert (await place.observe(handle)).phase in {Phase.ENDED, Phase.FORGOTTEN}


async def test_time_limit_is_shown_and_kept(place: KubernetesPlace) -> None:
    launch = replace(place.shell("exec sleep 1000"), placement=Placement(time=timedelta(seconds=6)))
    handle = await place.launch(launch)
    seen = await place.observe(handle)
    assert seen.deadline is not None
    assert timedelta(0) < seen.deadline - datetime.now(UTC) <= timedelta(seconds=7)
    over = await place.ended(handle)
    assert over.reason == "time_limit"


async def test_command_before_the_end_runs_once(place: KubernetesPlace) -> None:
    before = PreStop(command=("sh", "-c", "echo saved >/proc/1/fd/1"), time=timedelta(seconds=5))
    launch = place.shell("trap 'echo asked; exit 0' TERM; echo begun; while true; do sleep 0.1; done")
    handle = await place.launch(replace(launch, pre_stop=before))
    await until(lambda: has_written(place, handle, ["begun"]))
    await asyncio.gather(*(place.computing.stop(handle, grace=timedelta(seconds=10)) for _ in range(2)))
    assert await wrote(place, handle) == ["begun", "saved", "asked"]
    assert (await place.observe(handle)).exit_code == 0


async def test_files_are_reached_and_their_server_is_sent_once(place: KubernetesPlace) -> None:
    probe = await place.computing.probe(budget())
    assert Capability.FILES in probe.capabilities
    assert isinstance(place.computing, HasFiles)
    handle = await place.launch(place.of_image(LOGIN_IMAGE.reference, "sleep", "1000"))
    for _ in range(2):
        stream = await place.computing.files(handle)
        client = FileClient(stream)
        assert await client.begin() == 3
        assert b"4711" in await client.read("/etc/passwd")
        await stream.close()


async def test_ports_on_the_pods_own_loopback_are_reached_through_the_api(place: KubernetesPlace) -> None:
    inside = place.open_with({"reach": "inside"})
    assert isinstance(inside, HasPorts)
    handle = await place.launch(place.web())
    await place.listen(handle, 8092, loopback=True)

    async def hears() -> bool:
        return {HTTP, ECHO, 8092} <= set((await inside.listening([handle])).get(handle, {}))

    await until(hears)
    piece, count = bytes(range(256)) * 256, 64
    stream = await inside.dial(handle, ECHO)

    async def send() -> None:
        for _ in range(count):
            await stream.write(piece)
        await stream.end()

    sending = asyncio.create_task(send())
    back = b""
    while data := await stream.read():
        back += data
    await sending
    await stream.close()
    assert back == piece * count
    near = await inside.dial(handle, 8092)
    await near.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await near.read()).startswith(b"HTTP/1.")
    await near.close()
    with pytest.raises(ComputingUnreachableError):
        await inside.dial(handle, 9999)


async def test_rights_that_are_missing_are_named_each_with_a_hint(place: KubernetesPlace) -> None:
    probe = await place.computing.probe(budget())
    assert [one.code for one in probe.findings] == ["nodes_unseen"]
    elsewhere = await place.open_with({"namespace": "default"}).probe(budget())
    missing = [one for one in elsewhere.findings if one.code == "right_missing"]
    told = " ".join(one.sentence for one in missing)
    assert all(word in told for word in ("create pods,", "pods/exec", "secrets", "persistentvolumeclaims"))
    assert all("namespace default" in one.hint for one in missing)
    spread = await place.open_with({"namespace": "lab-{person}"}).probe(budget())
    told = " ".join(one.sentence for one in spread.findings if one.code == "right_missing")
    assert ("not list pods in all namespaces" in told, "watch" in told, "create" in told) == (True, True, False), told
    administrator = place.open_with({"kubeconfig": place.cluster.lab.kubeconfig.read_text(encoding="ascii")})
    seen = await administrator.probe(budget())
    assert seen.gpus[0].count == 2
    assert seen.runtimes


async def test_what_the_cluster_would_refuse_is_found_before_a_task_is(place: KubernetesPlace) -> None:
    for settings, word in (
        ({"service_account": "nobody"}, 'serviceaccount "nobody" not found'),
        ({"priority_class": "urgent"}, "no PriorityClass with name urgent"),
    ):
        probe = await place.open_with(settings).probe(budget())
        [found] = [one for one in probe.findings if one.serious]
        assert (found.code, word in found.sentence) == ("pod_refused", True), found
    administrator = place.cluster.lab.kubeconfig.read_text(encoding="ascii")
    nowhere = await place.open_with({"kubeconfig": administrator, "namespace": "nowhere"}).probe(budget())
    assert ["namespace" in one.sentence for one in nowhere.findings if one.serious] == [True]
    assert place.left() == []


async def test_person_without_a_namespace_keeps_nobody_else_from_the_cluster(place: KubernetesPlace) -> None:
    computing = place.open_with({"namespace": "lab-{person}"})
    with pytest.raises(LaunchError) as caught:
        await computing.launch(place.shell("true"), report=Reports(), budget=budget())
    assert caught.value.reason_code == "rights"
    assert "lab-ann" in caught.value.sentence


async def test_quota_that_is_full_is_told(place: KubernetesPlace) -> None:
    launch = replace(place.shell("true"), resources=Resources(cpus=1000, memory=64 * MIB))
    with pytest.raises(LaunchError) as caught:
        await place.computing.launch(launch, report=Reports(), budget=budget())
    assert caught.value.reason_code == "quota"
    assert place.left() == []


async def test_server_that_is_too_busy_is_asked_again_after_the_time_it_names(
    place: KubernetesPlace, front: Front
) -> None:
    computing = behind(place, front)
    front.fail(Answer(429, "TooManyRequests", headers=("Retry-After: 1",)), "POST", "/pods", times=2)
    front.fail(Answer(503, "ServiceUnavailable"), "GET", "/version", times=2)
    before = asyncio.get_running_loop().time()
    handle = await computing.launch(place.shell("sleep 1000"), report=Reports(), budget=budget())
    assert 2 <= asyncio.get_running_loop().time() - before < 10
    assert len([one for one in front.asked if one.startswith("POST") and one.endswith("/pods")]) == 3
    front.fail(Answer(429, "TooManyRequests"), "GET", "/pods", times=20)
    with pytest.raises(ComputingUnreachableError, match="too many questions"):
        await computing.observe([handle])
    assert len(front.faults) >= 14
    front.faults.clear()
    assert (await computing.observe([handle]))[handle].phase is not Phase.FORGOTTEN


async def test_pod_that_was_made_although_the_answer_was_lost_is_taken(place: KubernetesPlace, front: Front) -> None:
    launch = place.shell("sleep 1000")
    handle = await place.launch(launch)
    # It looks as if there were none, and then as if somebody had been quicker.
    front.fail(Answer(404, "NotFound"), "GET", f"/pods/{handle.partition('/')[2]}")
    computing = behind(place, front)
    assert await computing.launch(launch, report=Reports(), budget=budget()) == handle
    assert await place.starts(launch) == 1


async def test_watch_goes_on_where_it_broke_off_and_begins_anew_where_it_must(
    place: KubernetesPlace, front: Front
) -> None:
    computing = behind(place, front)
    assert isinstance(computing, Watches)
    handle = await place.launch(place.web())
    told: asyncio.Queue[str] = asyncio.Queue()

    async def follow() -> None:
        async for one in computing.watch():
            told.put_nowait(one)

    following = asyncio.create_task(follow())
    try:
        await until(lambda: asked(front, "watch=true", 1))
        # What happened meanwhile cannot be told any more, so each may have changed.
        front.fail(Answer(410, "Expired"), "watch=true")
        front.fail(Answer(410, "Expired"), "watch=true")
        front.drop()
        with contextlib.suppress(ComputingUnreachableError):
            await asyncio.wait_for(asyncio.shield(following), 0.5)
        if following.done():
            following = asyncio.create_task(follow())
        async with asyncio.timeout(20):
            while await told.get() != handle:
                pass
        await place.kill(handle)
        async with asyncio.timeout(10):
            while await told.get() != handle:
                pass
        lists = [one for one in front.asked if one.startswith("GET") and "/pods?" in one and "watch" not in one]
        assert len(lists) <= 4
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def asked(front: Front, word: str, times: int) -> bool:
    return sum(word in one for one in front.asked) >= times


async def test_restarted_server_is_found_again_and_nothing_is_lost(place: KubernetesPlace) -> None:
    handle = await place.launch(place.web())
    node = place.cluster.lab.node
    node.signal("kube-apiserver", signal.SIGKILL)
    await until(lambda: is_away(place, handle))
    await asyncio.to_thread(kubernetes.up, place.cluster.lab.place.ground)

    async def answers() -> bool:
        with contextlib.suppress(ComputingUnreachableError):
            return (await place.observe(handle)).phase is Phase.RUNNING
        return False

    await until(answers, seconds=60)
    assert place.computing is place.opened[0]


async def is_away(place: KubernetesPlace, handle: str) -> bool:
    with contextlib.suppress(ComputingUnreachableError):
        await place.observe(handle)
        return False
    return True


async def test_many_tasks_are_seen_with_one_question(place: KubernetesPlace, front: Front) -> None:
    # Nothing is run on the node: so many ask for GPUs that are not there.
    computing = behind(place, front)
    wanted = [replace(place.shell("true"), resources=Resources(cpus=0.1, memory=MIB, gpus=5)) for _ in range(200)]
    width = asyncio.Semaphore(8)

    async def one(launch: Launch) -> str:
        async with width:
            return await computing.launch(launch, report=Reports(), budget=budget(240))

    handles = await asyncio.gather(*map(one, wanted))
    # Look for it, for the image (elsewhere), make it, and its secret: and the version and the policy once.
    assert len(front.asked) <= 4 * len(wanted)
    front.asked.clear()
    seen = await computing.observe(handles)
    assert {one.phase for one in seen.values()} == {Phase.CREATED}
    assert len(front.asked) == 1
    front.asked.clear()

    async def gone(handle: str) -> None:
        async with width:
            await computing.remove(handle)

    await asyncio.gather(*map(gone, handles))
    assert len(front.asked) <= 3 * len(wanted)
    assert await computing.discover() == {}
