from pathlib import Path

import pytest

from settings.env_names import unknown_names


def names(*files: Path) -> list[str]:
    return [sentence for sentence in unknown_names(files) if not sentence.startswith("The environment")]


def test_a_misspelt_name_in_an_env_file_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("HMAC_KEZ=x\nexport RATE_LIMIT_SIZE=3\n# COMMENTED=1\nredis_url=x\n  UNHEARD_OF_THING = 5\n")
    assert names(file, tmp_path / "absent") == [
        f"{file} names HMAC_KEZ, which is no setting; HMAC_KEY is the nearest one.",
        f"{file} names RATE_LIMIT_SIZE, which is no setting; RATE_LIMIT_CAPACITY is the nearest one.",
        f"{file} names UNHEARD_OF_THING, which is no setting.",
    ]


def test_what_other_programs_read_from_the_same_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("COMPOSE_PROJECT_NAME=shrike\nDOCKER_HOST=unix:///run/docker.sock\n")
    assert names(file) == []


def test_the_environment_s_names_count_where_they_differ_by_a_letter_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URI", "SCORE_TIMEOUT_MSEC", "WEB_PORT_8080_TCP", "REDIS_PORT", "HOME"):
        monkeypatch.setenv(name, "1")
    found = " ".join(unknown_names(()))
    assert "The environment names REDIS_URI, which is no setting; REDIS_URL is the nearest one." in found
    assert "SCORE_TIMEOUT_MSEC" in found
    for other in ("WEB_PORT_8080_TCP", "REDIS_PORT", "HOME", "PATH"):
        assert f"names {other}," not in found


def test_a_file_that_is_no_text_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"HMAC_KEZ=\xff\xfe\n")
    assert len(names(file)) == 1
