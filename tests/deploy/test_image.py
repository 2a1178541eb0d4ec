"""The image: its lists of packages, and its steps followed without a container engine."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from shadow import __version__
from tests.deploy.dockerfile import Followed, context, stages
from tests.deploy.waiting import until
from tests.end_to_end.sidecar import free_addresses
from tests.test_requirements import WANTED, locked

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BUILD, FINAL = stages(DEPLOY / "Dockerfile")
VOLUMES = {"config": "/etc/shadow-sidecar", "store": "/var/lib/shadow", "tmp": "/tmp"}  # noqa: S108
COMPILERS = ("gcc", "cc", "g++", "make", "rustc")


def test_the_image_is_pinned_and_has_a_user() -> None:
    """Both stages begin with the same digest; what runs is not root, and starts and is asked for its health in words
    that need no shell."""
    assert BUILD.base == FINAL.base
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", FINAL.base)
    assert FINAL.last("USER") == "10001:10001"
    assert [*FINAL.words("ENTRYPOINT"), *FINAL.words("CMD")] == [
        "shadow",
        "serve",
        "-c",
        "/etc/shadow-sidecar/shadow.yaml",
    ]
    assert "CMD [" in FINAL.last("HEALTHCHECK")


def test_packages_are_installed_by_hash_and_never_built() -> None:
    """Each step that takes packages from an index asks for hashes and for wheels; so no stage needs a compiler."""
    steps = [
        words for stage in (BUILD, FINAL) for kind, rest in stage.steps if kind == "RUN" for words in rest.split("&&")
    ]
    installs = [words for words in steps if " install " in words and "pip" in words.split("install")[0]]
    assert installs
    for words in installs:
        assert {"--require-hashes", "--only-binary"} <= set(words.split()) or "--no-index" in words.split()
    assert not [
        words for words in steps if re.search(rf"\b(apt-get|apk|{'|'.join(map(re.escape, COMPILERS))})\b", words)
    ]


def test_the_build_sees_what_it_needs_alone() -> None:
    """No tests, no documents but those of the package, nothing of the repository's history."""
    files = context(ROOT, ROOT / ".dockerignore")
    assert {name.split("/")[0] for name in files} == {"shadow", "pyproject.toml", "README.md", "LICENSE", "deploy"}
    assert {name for name in files if name.startswith("deploy/")} == {f"deploy/{name}" for name in WANTED}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """Both stages, followed; skipped where this machine cannot, or has no packages to install."""
    directory = tmp_path_factory.mktemp("image")
    if os.geteuid() or not all(map(shutil.which, ("unshare", "chroot", "useradd"))):
        pytest.skip("the image's steps need root, to follow them in a root directory of their own")
    build, final = Followed(BUILD, directory), Followed(FINAL, directory)
    if (tried := run(build.building(["true"]))).returncode:
        pytest.skip(f"this machine has no overlays: {tried.stderr.strip()}")
    asked = ["pip", "index", "versions", "pluggy"]
    if run(build.building(asked)).returncode:
        pytest.skip("the image's steps need a package index, and none can be reached")
    files = context(ROOT, ROOT / ".dockerignore")
    build.follow(ROOT, files, {})
    final.follow(ROOT, files, {build.stage.name: build})
    return final


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def inside(image: Followed, words: list[str], volumes: dict[str, Path] | None = None) -> list[str]:
    """A command as the container would run it: its user, its PATH, its tree read-only, with volumes."""
    path = dict(pair.split("=", 1) for pair in image.stage.last("ENV").split())["PATH"].removesuffix("$PATH")
    places = {here: VOLUMES[name] for name, here in (volumes or {}).items()}
    return image.running(words, image.stage.last("USER"), path, places)


def test_the_result_has_the_program_and_no_tools(image: Followed) -> None:
    """The package with its locked dependencies and nothing else: neither pip nor what built it."""
    words = ["python", "-Ic", "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions()}))"]
    listed = run(inside(image, words))
    assert listed.returncode == 0, listed.stderr
    names = {canonicalize_name(name) for name in listed.stdout.split()}
    assert "shadow-sidecar" in names
    assert names - {"shadow-sidecar"} <= set(locked("requirements.txt"))
    assert run(inside(image, ["shadow", "--version"])).stdout.split()[-1] == __version__


def test_nothing_but_volumes_can_be_written(image: Followed) -> None:
    """Its user is not root, and its tree is read-only to it."""
    assert run(inside(image, ["id", "-u"])).stdout.strip() == "10001"
    refused = run(inside(image, ["touch", "/shadow/x"]))
    assert refused.returncode
    assert "Read-only file system" in refused.stderr


async def test_the_sidecar_starts_there(image: Followed, tmp_path: Path) -> None:
    """Entry point and command as they stand, with a configuration, a store and /tmp as volumes: it becomes ready, its
    health check holds, and SIGTERM stops it well."""
    volumes = {name: tmp_path / name for name in VOLUMES}
    for directory in volumes.values():
        directory.mkdir(mode=0o755)
        os.chown(directory, 10001, 10001)
    data, admin = free_addresses(2)
    config = {"listen": data, "admin": {"listen": admin}, "upstream": {"url": "http://127.0.0.1:9"}, "drain_s": 1}
    config |= {"store": {"path": "/var/lib/shadow/shadow.db"}}
    (volumes["config"] / "shadow.yaml").write_text(yaml.safe_dump(config))
    words = [*image.stage.words("ENTRYPOINT"), *image.stage.words("CMD")]
    process = await asyncio.create_subprocess_exec(
        *inside(image, words, volumes), stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    check = [word.replace("127.0.0.1:9090", admin) for word in health_check(image)]

    async def started() -> bool:
        if process.returncode is not None:
            pytest.fail("it ended")
        healthy = not (await asyncio.to_thread(run, inside(image, check))).returncode
        return healthy and (volumes["store"] / "shadow.db").exists()

    try:
        await until(started)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        said = (await process.stderr.read()).decode() if process.stderr else ""
        assert await process.wait() == 0, said


def health_check(image: Followed) -> list[str]:
    """The command of the health check."""
    words: list[str] = json.loads(image.stage.last("HEALTHCHECK").partition("CMD ")[2])
    return words
