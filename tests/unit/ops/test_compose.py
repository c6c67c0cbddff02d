import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ops.credentials.redis_grants import USER_OF_ROLE
from ops.credentials.redis_users import ACCESS_LIST_NAME, FOLDER_NAME
from ops.credentials.service_keys import FOLDER_NAME as SERVICES
from ops.credentials.service_keys import SERVER
from ops.stack.plan.roles import ROLES, SET_UP, role
from settings import Settings
from settings.metrics_ports import metrics_port

ROOT = Path(__file__).parents[3]
SERVERS = {"valkey", "mongo", "mongo-init", "kafka", "mlflow"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def dockerfile_stages() -> dict[str, str]:
    """Returns the text of each build stage of the Dockerfile by its name."""
    text = (ROOT / "ops/docker/Dockerfile").read_text()
    parts = re.split(r"^FROM \S+ AS (\S+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_it_satisfies_the_compose_schema(compose: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text())
    jsonschema.validate(compose, schema)


def test_every_role_of_the_embedded_stack_is_a_service_with_the_same_command(compose: dict[str, Any]) -> None:
    commands = {
        name: service["command"]
        for name, service in compose["services"].items()
        if name not in SERVERS and "profiles" not in service
    }
    expected = {role.name: ["python", "-m", "ops", *role.command] for role in ROLES}
    assert commands == expected | {"prepare": ["python", "-m", "ops", *SET_UP]}


def test_every_server_of_the_embedded_stack_is_a_service(compose: dict[str, Any]) -> None:
    from ops.stack.plan.servers import SERVERS as EMBEDDED

    assert {server.name for server in EMBEDDED} <= set(compose["services"])


def test_a_role_runs_as_often_as_in_the_embedded_stack(compose: dict[str, Any]) -> None:
    for each in ROLES:
        replicas = compose["services"][each.name].get("deploy", {}).get("replicas", 1)
        assert replicas == each.count, each.name


def test_each_process_has_the_metrics_port_of_every_other_deployment(compose: dict[str, Any]) -> None:
    base = Settings.model_fields["metrics_port_base"].default
    for each in ROLES:
        if each.has_metrics_port:
            service = compose["services"][each.name]
            port = str(metrics_port(each.name, 1, base=base))
            assert service["environment"]["METRICS_PORT"] == port, each.name
            probe = service["healthcheck"]["test"][-1]
            assert "METRICS_PORT" in probe or port in probe, each.name


def test_each_image_installs_its_role_s_requirements_only(compose: dict[str, Any]) -> None:
    stages = dockerfile_stages()
    for each in ROLES:
        stage = stages[compose["services"][each.name]["build"]["target"]]
        assert re.findall(r"requirements/(\S+)\.txt /tmp", stage) == [each.requirements], each.name


@pytest.mark.parametrize("name", ["web", "score"])
def test_a_serving_image_carries_no_training_library(name: str) -> None:
    pinned = (ROOT / "requirements" / f"{role(name).requirements}.txt").read_text()
    for library in ("torch", "scikit-learn", "mlflow", "mlflow-skinny", "xgboost-cpu", "pyarrow", "onnx"):
        assert not re.search(rf"^{library}==", pinned, flags=re.MULTILINE), library


def test_every_image_is_pinned(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", service["image"]), name
    bases = re.findall(r"^FROM (\S+) AS", (ROOT / "ops/docker/Dockerfile").read_text(), flags=re.MULTILINE)
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases if ":" in base)


def test_nothing_runs_as_root(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert int(service["user"].split(":")[0]) > 0, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    final = [stage for name, stage in dockerfile_stages().items() if name not in {"base", "sources"}]
    assert all("\nUSER shrike\n" in stage for stage in final)


def test_every_lasting_service_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name not in {"mongo-init", "prepare", "admin"}:
            assert service["healthcheck"]["test"], name


def test_each_role_connects_to_redis_as_its_own_user(compose: dict[str, Any]) -> None:
    for each in ROLES:
        service = compose["services"][each.name]
        credentials = f"/app/var/keys/{FOLDER_NAME}/{USER_OF_ROLE[each.name]}"
        assert service["environment"]["REDIS_CREDENTIALS_FILE"] == credentials, each.name


def keys_of(service: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Returns where the service sees keys, and which part of them; None for all."""
    found: list[tuple[str, str | None]] = []
    for volume in service.get("volumes", []):
        if isinstance(volume, dict) and volume["source"] == "keys":
            assert volume["read_only"]
            found.append((volume["target"], volume["volume"]["subpath"]))
        elif isinstance(volume, str) and volume.startswith("keys:"):
            found.append((volume.split(":")[1], None))
    return found


def test_each_role_sees_its_own_keys_alone(compose: dict[str, Any]) -> None:
    for each in ROLES:
        own = [("/app/var/keys", f"{SERVICES}/{USER_OF_ROLE[each.name]}")]
        assert keys_of(compose["services"][each.name]) == own, each.name
    with_all = {name for name, service in compose["services"].items() if (("/app/var/keys", None)) in keys_of(service)}
    assert with_all == {"prepare", "admin"}


def test_redis_starts_with_the_users_that_were_prepared(compose: dict[str, Any]) -> None:
    server = compose["services"]["valkey"]
    place = server["command"].index("--aclfile")
    assert server["command"][place + 1] == f"/keys/{ACCESS_LIST_NAME}"
    assert keys_of(server) == [("/keys", f"{SERVICES}/{SERVER}")]
    assert server["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}


def test_ports_are_published_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_environment_variables_are_settings(compose: dict[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name, service in compose["services"].items():
        if name not in SERVERS:
            assert set(service["environment"]) <= known, name
