"""The example for Kubernetes is valid by Kubernetes' own schemas, and its parts find each other."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.served import ROOT

OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yml").read_text("utf-8")))


def _only(kind: str) -> dict[str, Any]:
    [found] = [each for each in OBJECTS if each["kind"] == kind]
    return found


@pytest.mark.parametrize("version", ["1.30", "1.34"])
@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda each: str(each["kind"]))
def test_an_object_is_valid(manifest: dict[str, Any], version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="needs pip install kubernetes-validate (108 MB)")
    validator.validate(manifest, version, strict=True)


def test_traffic_finds_its_way() -> None:
    """From the ingress through the service to the port of the container that the probes ask."""
    ingress, service, deployment = (_only(kind) for kind in ("Ingress", "Service", "Deployment"))
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert rule["host"] in ingress["spec"]["tls"][0]["hosts"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    [port] = service["spec"]["ports"]
    assert path["backend"]["service"]["port"]["name"] == port["name"]
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    [container] = pod["spec"]["containers"]
    [open_port] = container["ports"]
    assert open_port == {"name": port["targetPort"], "containerPort": Settings.model_fields["port"].default}
    assert {container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "readiness", "liveness")} == {"http"}


def test_a_pod_has_the_time_to_drain() -> None:
    pod = _only("Deployment")["spec"]["template"]["spec"]
    given = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    needed = float(given["PERCEPT_DRAIN_S"]) + Settings.model_fields["shutdown_timeout_s"].default
    assert pod["terminationGracePeriodSeconds"] > needed


def test_models_are_exported_and_served_by_the_same_names() -> None:
    job = _only("Job")["spec"]["template"]["spec"]["containers"][0]
    served = {
        each["name"]: each.get("value")
        for each in _only("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert job["args"][2:] == served["PERCEPT_MODELS"].split(",")
    assert tuple(job["args"][2:]) == Settings.model_fields["models"].default


def test_the_ingress_is_told_what_the_service_takes() -> None:
    text = (ROOT / "deploy/kubernetes.yml").read_text("utf-8")
    mebibytes = Settings.model_fields["max_audio_body_bytes"].default // 2**20 + 1
    assert f"nginx.org/client-max-body-size: {mebibytes}m" in text
    assert f"nginx.org/proxy-read-timeout: {Settings.model_fields['max_timeout_s'].default + 60:.0f}s" in text
