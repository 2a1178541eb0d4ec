"""The manifests: built by kustomize, valid for Kubernetes, and such that the recorder never costs the application."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import aiohttp
import pytest
import yaml

from shadow import cli, supervision
from shadow.config import Config
from shadow.configfile import parse
from shadow.demo.provider import StandIn
from shadow.forward import forwarder
from tests.deploy.kustomize import HERE, OURS, Tree, built, containers, one, our_container, pods
from tests.end_to_end.sidecar import running
from tests.end_to_end.test_faults import answering
from tests.end_to_end.test_metrics import eventually_up

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="the extra `components` is not installed")
pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

OLDEST, NEWEST = "1.29", kubernetes_validate.latest_version()
APPLICATION_STOP_S = 30  # Kubernetes' own default: what an application has where it says nothing
LABEL = {"shadow-sidecar": "enabled"}
ANOTHER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: another, labels: {shadow-sidecar: enabled}}
spec:
  replicas: 2
  selector: {matchLabels: {app: another}}
  template:
    metadata: {labels: {app: another}}
    spec:
      volumes: [{name: data, emptyDir: {}}]
      containers: [{name: app, image: app, volumeMounts: [{name: data, mountPath: /data}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: unconcerned}
spec:
  selector: {matchLabels: {app: unconcerned}}
  template: {metadata: {labels: {app: unconcerned}}, spec: {containers: [{name: app, image: app}]}}
"""


@pytest.fixture(scope="module")
def example() -> list[Tree]:
    """The application with the sidecar."""
    return built(HERE / "example")


@pytest.fixture(scope="module")
def gateway() -> list[Tree]:
    """The gateway, with its daily report."""
    return built(HERE / "gateway")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> list[Tree]:
    """An overlay that somebody else wrote: two Deployments, one of which has the sidecar, its store on a claim."""
    root = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(HERE, root)
    (root / "mine").mkdir()
    (root / "mine" / "apps.yaml").write_text(ANOTHER)
    kustomization = {"resources": ["apps.yaml"], "components": ["../sidecar", "../persistent"]}
    (root / "mine" / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return built(root / "mine")


@pytest.fixture(scope="module")
def all_objects(example: list[Tree], gateway: list[Tree], other: list[Tree]) -> list[Tree]:
    return [*example, *gateway, *other]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_would_take_every_object(all_objects: list[Tree], version: str) -> None:
    """Each is valid, no unknown field in it, for the oldest release that has native sidecars and for the newest."""
    for each in all_objects:
        if each["kind"] != "PodMonitor":  # not of Kubernetes itself: see below
            kubernetes_validate.validate(each, version, strict=True)


def test_every_directory_is_in_the_table() -> None:
    """The page beside the manifests names each directory of them, and no other."""
    listed = [line.split("`")[1] for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| [")]
    assert sorted(listed) == sorted(path.parent.name for path in HERE.glob("*/kustomization.yaml"))


def test_the_sidecar_comes_first_and_stays(example: list[Tree]) -> None:
    """It is a native sidecar, and starts before any other init container: that may call a model too."""
    names = [each["name"] for each in one(example, "Deployment")["spec"]["template"]["spec"]["initContainers"]]
    assert names == ["shadow", "migrate"]
    [pod] = pods(example)
    assert our_container(pod)["restartPolicy"] == "Always"


def test_only_labelled_deployments_get_it_and_keep_what_they_have(other: list[Tree]) -> None:
    """The component changes neither another Deployment nor the application's own containers and volumes."""
    found = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in other if each["kind"] == "Deployment"
    }
    assert found["unconcerned"] == {"containers": [{"name": "app", "image": "app"}]}
    [app] = found["another"]["containers"]
    assert app == {"name": "app", "image": "app", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    assert {"name": "data", "emptyDir": {}} in found["another"]["volumes"]


def test_a_claim_takes_the_place_of_the_emptydir(other: list[Tree]) -> None:
    """One pod at a time, and the volume that stays."""
    [another] = [each["spec"] for each in other if each["metadata"]["name"] == "another"]
    assert {"name": "shadow-store", "persistentVolumeClaim": {"claimName": "shadow-store"}} in another["template"][
        "spec"
    ]["volumes"]
    assert (another["replicas"], another["strategy"]) == (1, {"type": "Recreate"})
    assert one(other, "PersistentVolumeClaim")["metadata"]["name"] == "shadow-store"


def test_containers_have_no_privileges(all_objects: list[Tree]) -> None:
    """No root, no capability, no system call beyond the runtime's default, nothing to write but volumes."""
    for pod in pods(all_objects):
        if LABEL.items() <= pod["metadata"]["labels"].items():
            context = our_container(pod)["securityContext"]
            assert context["runAsNonRoot"]
            assert context["readOnlyRootFilesystem"]
            assert not context["allowPrivilegeEscalation"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_secrets_are_files_of_our_container_alone(all_objects: list[Tree]) -> None:
    """No other container of the pod mounts them, and no environment holds one."""
    for pod in pods(all_objects):
        for each in containers(pod):
            mounted = {mount["name"] for mount in each.get("volumeMounts", ())}
            assert ("shadow-secrets" in mounted) is (OURS in each["image"])
            assert not [name for name in each.get("env", ()) if "valueFrom" in name]


@pytest.mark.parametrize("which", ["example", "gateway"])
def test_there_is_time_to_stop(which: str, request: pytest.FixtureRequest) -> None:
    """The grace period holds the application's own stop or the hook before SIGTERM, then the configured draining, then
    handing over and storing what is left."""
    objects = request.getfixturevalue(which)
    pod = one(objects, "Deployment")["spec"]["template"]
    config = configured(objects)
    hook = our_container(pod).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    before_s = APPLICATION_STOP_S if len(containers(pod)) > 1 else float(hook[1])
    ours_s = config.drain_delay_s + config.drain_s + forwarder.FLUSH_S + supervision.RECORDER_STOP_S
    assert pod["spec"]["terminationGracePeriodSeconds"] >= before_s + ours_s


@pytest.mark.parametrize("which", ["example", "gateway"])
def test_the_configuration_is_valid(which: str, request: pytest.FixtureRequest) -> None:
    """The ConfigMap's files are accepted together, once the secret is mounted, and say what the manifests rely on."""
    objects = request.getfixturevalue(which)
    config = configured(objects)
    container = our_container(next(pods(objects)))
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert not config.admin.listen.loopback  # the kubelet and Prometheus ask from outside the pod
    assert ports == {"shadow-admin": config.admin.listen.port} | (
        {"http": config.listen.port} if which == "gateway" else {}
    )
    assert config.listen.loopback is (which == "example")
    assert str(config.store.path.parent) in {mount["mountPath"] for mount in container["volumeMounts"]}


def configured(objects: list[Tree]) -> Config:
    """The configuration in a ConfigMap, as it is where the volume is mounted; secrets are files of another one."""
    files = one(objects, "ConfigMap")["data"]
    with tempfile.TemporaryDirectory() as mounted:
        for name, text in files.items():
            (Path(mounted) / name).write_text(text)
        return parse(files["shadow.yaml"], Path(mounted), {}, secrets=False)


def test_mounted_files_are_there(all_objects: list[Tree]) -> None:
    """Each path in a container's arguments lies on a volume of the pod, and no volume on a file: /etc/shadow is one."""
    for pod in pods(all_objects):
        volumes = {each["name"] for each in pod["spec"].get("volumes", ())}
        for each in containers(pod):
            mounts = each.get("volumeMounts", [])
            assert {mount["name"] for mount in mounts} <= volumes
            places = tuple(mount["mountPath"] for mount in mounts)
            assert not [place for place in places if Path(place).is_file()]
            assert not [word for word in each.get("args", ()) if word.startswith("/") and not word.startswith(places)]


def test_commands_exist(all_objects: list[Tree]) -> None:
    """What our containers run is a command of the program, with options that it has."""
    for pod in pods(all_objects):
        if LABEL.items() <= pod["metadata"]["labels"].items():
            name, *rest = our_container(pod)["args"]
            known = {option for parameter in cli.main.commands[name].params for option in parameter.opts}
            assert {word for word in rest if word.startswith("-")} <= known


def test_prometheus_finds_the_pods(example: list[Tree], gateway: list[Tree]) -> None:
    """The PodMonitor selects the pods by a label that they have, and the port by a name that a container gives it. Its
    custom resource is not Kubernetes' own; these are all the fields that it uses."""
    for objects in (example, gateway):
        monitor = one(objects, "PodMonitor")
        assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
        assert set(monitor["spec"]) == {"selector", "podMetricsEndpoints"}
        assert "shadow" in monitor["metadata"]["name"]  # in the job's name, which an alert looks for
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert set(endpoint) == {"port", "path", "interval"}
        pod = one(objects, "Deployment")["spec"]["template"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in our_container(pod)["ports"]}


def test_the_network_policy_is_about_all_pods(example: list[Tree], gateway: list[Tree]) -> None:
    """It selects each pod, lets the application's port and the admin port in, and names and HTTPS out."""
    for objects in (example, gateway):
        policy = one(objects, "NetworkPolicy")["spec"]
        for pod in pods(objects):
            assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        pod = one(objects, "Deployment")["spec"]["template"]
        declared = {port["containerPort"] for each in containers(pod) for port in each.get("ports", ())}
        assert ports_of(policy["ingress"]) == declared
        assert {53, 443} <= ports_of(policy["egress"])


def ports_of(rules: list[Tree]) -> set[int]:
    return {port["port"] for port in chain.from_iterable(rule["ports"] for rule in rules)}


def test_the_service_leads_to_the_gateway(gateway: list[Tree]) -> None:
    """Its selector is the pods' label, its target a port of theirs; so is the disruption budget's."""
    pod = one(gateway, "Deployment")["spec"]["template"]
    service_spec = one(gateway, "Service")["spec"]
    assert service_spec["selector"].items() <= pod["metadata"]["labels"].items()
    assert service_spec["ports"][0]["targetPort"] in {port["name"] for port in our_container(pod)["ports"]}
    assert one(gateway, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == service_spec["selector"]


async def test_probes_do_not_ask_the_recorder(example: list[Tree], gateway: list[Tree], tmp_path: Path) -> None:
    """With the recorder stopped in its tracks, every probe of every manifest is answered well: no container is
    restarted and no pod taken out of its Service on its account."""
    paths = {path for objects in (example, gateway) for path in probed(objects)}
    assert paths == {"/-/healthy", "/-/ready"}
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url) as sidecar:
        await eventually_up(sidecar)
        recorder = await sidecar.recorder_pid()
        os.kill(recorder, signal.SIGSTOP)
        try:
            async with aiohttp.ClientSession() as http:
                for path in paths:
                    async with http.get(f"{sidecar.admin}{path}", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                        assert answer.status == 200
        finally:
            os.kill(recorder, signal.SIGCONT)


def probed(objects: list[Tree]) -> Iterator[str]:
    """The paths that a kubelet would ask for, all of them on the admin port."""
    container = our_container(one(objects, "Deployment")["spec"]["template"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == "shadow-admin"
        yield container[probe]["httpGet"]["path"]
