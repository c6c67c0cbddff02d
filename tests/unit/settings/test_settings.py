import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr, ValidationError

from settings import DEVELOPMENT_MARK, Settings
from settings.problems import settings_problems

EVERY_FIELD = pytest.mark.parametrize("name", list(Settings.model_fields))

FREE_TEXT = frozenset(
    {
        "artifact_key_id",
        "flower_host",
        "flower_user",
        "jwt_audience",
        "jwt_issuer",
        "jwt_key_id",
        "jwt_previous_key_id",
        "metrics_host",
        "mlflow_experiment",
        "web_host",
    }
)
"""Any text is a value of these; whether it is a good one only their servers know."""


FILES_AND_SECRETS = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if field.annotation in {Path, Path | None, SecretStr, SecretStr | None}
)
"""A file is read, and a secret judged, by who uses it."""


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_development_accepts_its_own_keys() -> None:
    assert Settings(_env_file=None, jwt_secret=DEVELOPMENT_MARK + "x" * 40).jwt_secret is not None


@EVERY_FIELD
@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_empty_is_unset(name: str, blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose and Helm write a variable that nobody set as an empty one."""
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True, validated_data={})
    monkeypatch.setenv(name.upper(), blank)
    settings = Settings(_env_file=None)
    assert getattr(settings, name) == default
    assert name not in settings.model_fields_set


@EVERY_FIELD
def test_empty_in_an_env_file_is_unset(name: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(f"{name.upper()}=\n")
    assert name not in Settings(_env_file=file).model_fields_set


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in FREE_TEXT | FILES_AND_SECRETS])
def test_a_malformed_value_is_one_sentence_that_does_not_repeat_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), "s3cr3t:{ma,lform[ed")
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None)
    [sentence] = settings_problems(refusal.value)
    assert re.fullmatch(rf"{name.upper()}\b[^\n]+\.", sentence)
    assert "s3cr3t" not in sentence
    assert "s3cr3t" not in str(refusal.value)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_no_number_is_infinite(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, field in Settings.model_fields.items() if field.annotation is float]
    assert names
    for name in names:
        monkeypatch.setenv(name.upper(), value)
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None)
    assert [sentence.partition(":")[0] for sentence in settings_problems(refusal.value)] == [
        name.upper() for name in names
    ]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("flower_user", "a,b", "FLOWER_USER: it has a comma, which Flower takes"),
        ("flower_password", "a,b", "FLOWER_PASSWORD: it has a comma, which Flower takes"),
        ("flower_user", "a:b", "FLOWER_USER: it has a colon, where Flower takes a name to end"),
        ("flower_user", "a\n", "FLOWER_USER: it has a line end or another"),
        ("flower_password", "a:\n", "FLOWER_PASSWORD: it has a line end or another"),
    ],
)
def test_what_flower_cannot_read_is_said_by_its_own_name(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None, **{name: value})
    assert len(refused := settings_problems(refusal.value)) == 1
    assert refused[0].startswith(sentence)
    assert Settings(_env_file=None, flower_password="a:b").flower_password is not None


@pytest.mark.parametrize("brokers", ["kafka", "kafka:9092", "a:9092,b:9092", "a:9092, b:9092", "[::1]:9092"])
def test_brokers_are_hosts(brokers: str) -> None:
    assert Settings(_env_file=None, kafka_bootstrap=brokers).kafka_bootstrap == brokers.replace(" ", "")


@pytest.mark.parametrize("brokers", ["SSL://kafka:9092", "kafka:port", "a:9092,", "u:p@kafka:9092", "kafka:99999"])
def test_brokers_that_are_none_are_refused(brokers: str) -> None:
    with pytest.raises(ValidationError, match="KAFKA_BOOTSTRAP cannot be read; write host:port"):
        Settings(_env_file=None, kafka_bootstrap=brokers)


@pytest.mark.parametrize("uri", ["mlruns", "/var/mlruns", "file:///var/mlruns", "sqlite:///m.db", "https://m:5000/x",
                                 "postgresql+psycopg2://u:p@h/db"])  # fmt: skip
def test_mlflow_takes_folders_databases_and_servers(uri: str) -> None:
    assert Settings(_env_file=None, mlflow_tracking_uri=uri).mlflow_uri == uri


@pytest.mark.parametrize("uri", ["localhost:5000", "mlflow:5000", "redis://m:1/0", "http://", "http://m:port"])
def test_a_server_of_mlflow_s_without_its_scheme_is_refused(uri: str) -> None:
    with pytest.raises(ValidationError, match="MLFLOW_TRACKING_URI"):
        Settings(_env_file=None, mlflow_tracking_uri=uri)


@pytest.mark.parametrize("url", ["idp/keys", "idp:443/keys", "ftp://idp/keys", "https://"])
def test_a_key_set_s_address_is_a_web_address(url: str) -> None:
    with pytest.raises(ValidationError, match="JWT_JWKS_URL"):
        Settings(_env_file=None, jwt_jwks_url=url)


def test_values_without_a_seal_are_believed_for_a_while_only() -> None:
    assert Settings(_env_file=None).unsealed_until == 0
    soon = datetime.now(UTC) + timedelta(days=1)
    assert Settings(_env_file=None, accept_unsealed_until=soon).unsealed_until == soon.timestamp()
    with pytest.raises(ValidationError, match="at most 8 days ahead"):
        Settings(_env_file=None, accept_unsealed_until=soon + timedelta(days=8))


_NUMBERS = {int, float, int | None, float | None}
_AMOUNTS = {"safe_mode_approve_up_to", "safe_mode_decline_from"}
"""Of money: compared with a transaction's amount and with nothing else."""


def is_number(annotation: Any) -> bool:
    return annotation in _NUMBERS or any(getattr(part, "__origin__", None) in _NUMBERS for part in get_args(annotation))


@pytest.mark.parametrize(
    "name",
    [name for name, field in Settings.model_fields.items() if is_number(field.annotation) and name not in _AMOUNTS],
)
def test_no_number_is_larger_than_its_user_can_bear(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis refuses an expiry that does not fit into 64 bits, and a timer's wait has an end too."""
    monkeypatch.setenv(name.upper(), "9" * 20)
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None)
    [sentence] = settings_problems(refusal.value)
    assert re.fullmatch(rf"{name.upper()}: input should be less than or equal to \d+\.", sentence)


@pytest.mark.parametrize(
    "rule", ["-1, 5", "5, -1", "5, NaN", "5, 1e999", "5, 1e-9", f"{'9' * 20}, 5", f"5, {'9' * 20}"]
)
def test_a_limit_that_would_be_none_or_never_end_is_refused(rule: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None, rate_limit_overrides=f'{{"demo": [{rule}]}}')
    [sentence] = settings_problems(refusal.value)
    assert sentence.startswith("RATE_LIMIT_OVERRIDES, at demo.")


@pytest.mark.parametrize("rule", [(0, 0), (100, 0), (100, 0.001), (10**9, 10**9)])
def test_a_limit_may_be_off_never_refill_slow_or_large(rule: tuple[int, float]) -> None:
    assert Settings(_env_file=None, rate_limit_overrides={"demo": rule}).rate_limit_overrides == {"demo": rule}


@pytest.mark.parametrize("prefix", ["", "transaction_", "device_"])
def test_a_refill_is_none_or_one_that_is_noticed(prefix: str) -> None:
    with pytest.raises(ValidationError, match=r"0 or at least 0\.001 tokens a minute"):
        Settings(_env_file=None, **{f"{prefix}rate_limit_refill_per_minute": 1e-9})
