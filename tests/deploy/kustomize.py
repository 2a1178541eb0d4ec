"""What `kubectl kustomize` builds from the manifests."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "kubernetes"
OURS = "shadow-sidecar"  # in the image's name

Tree = dict[str, Any]


def built(directory: Path) -> list[Tree]:
    """The objects of a kustomization."""
    command = ("kubectl", "kustomize", str(directory))
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(objects: list[Tree], kind: str) -> Tree:
    """The only object of a kind."""
    [found] = [each for each in objects if each["kind"] == kind]
    return found


def pods(objects: list[Tree]) -> Iterator[Tree]:
    """Every pod template: its metadata and spec."""
    for each in objects:
        if each["kind"] == "Deployment":
            yield each["spec"]["template"]
        if each["kind"] == "CronJob":
            yield each["spec"]["jobTemplate"]["spec"]["template"]


def containers(pod: Tree) -> list[Tree]:
    """All containers of a pod, init containers first."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def our_container(pod: Tree) -> Tree:
    """The one that runs this program."""
    [found] = [each for each in containers(pod) if OURS in each["image"]]
    return found
