import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from security.errors import KeyUnusableError
from security.keys import generate_secret
from security.signatures.client_key_file import ClientKeyFile, client_keys
from security.signatures.client_keys import ClientKey, KeyRing, parse_client_keys
from settings import Settings

SECRETS = [generate_secret() for _ in range(4)]
PUBLIC = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


def hmac_entry(**changes: Any) -> dict[str, Any]:
    entry = {"key_id": "shop-1", "subject": "shop", "algorithm": "hmac-sha256", "secret": SECRETS[0]} | changes
    return {name: value for name, value in entry.items() if value is not None}


def ed25519_entry(**changes: Any) -> dict[str, Any]:
    return {"key_id": "shop-2", "subject": "shop", "algorithm": "ed25519", "public_key": PUBLIC} | changes


def parse(*entries: Any) -> list[ClientKey]:
    return parse_client_keys(json.dumps({"keys": entries}).encode(), origin="FILE")


def names(keys: Any) -> list[str]:
    return [key.key_id for key in keys]


def test_reads_keys_of_both_algorithms() -> None:
    first, second = parse(hmac_entry(), ed25519_entry())
    assert (first.key_id, first.subject, first.algorithm, first.key) == (
        "shop-1",
        "shop",
        "hmac-sha256",
        SECRETS[0].encode(),
    )
    assert (second.algorithm, second.subject) == ("ed25519", "shop")


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([1], "entry 1 has no `algorithm`"),
        ([hmac_entry(algorithm="none")], "entry 1 has no `algorithm`"),
        ([hmac_entry(algorithm=None)], "entry 1 has no `algorithm`"),
        ([hmac_entry(secret=None)], "exactly key_id, subject, algorithm and secret"),
        ([hmac_entry(public_key=PUBLIC)], "exactly key_id, subject, algorithm and secret"),
        ([hmac_entry(note="a")], "exactly key_id, subject, algorithm and secret"),
        ([hmac_entry(), hmac_entry(key_id="a b")], "entry 2: key_id"),
        ([hmac_entry(key_id="shared")], "entry 1: key_id"),
        ([hmac_entry(key_id="shared-previous")], "entry 1: key_id"),
        ([hmac_entry(key_id=1)], "entry 1: key_id"),
        ([hmac_entry(subject="two words")], "subject is no `sub`"),
        ([hmac_entry(secret="short")], r"entry 1 \(shop-1\) is 5 bytes long"),
        ([hmac_entry(secret=7)], "secret is no text"),
        ([ed25519_entry(public_key="AAAA")], "no base64 of an Ed25519 key"),
        ([ed25519_entry(public_key="*")], "no base64 of an Ed25519 key"),
        ([hmac_entry(), hmac_entry(subject="other")], "key id shop-1 stands 2 times"),
        ([hmac_entry(key_id=f"k-{n}", secret=SECRETS[n]) for n in range(3)], "shop has 3 hmac-sha256 keys"),
    ],
)
def test_a_file_that_is_wrong_anywhere_is_refused_whole(entries: list[Any], sentence: str) -> None:
    with pytest.raises(KeyUnusableError, match=sentence) as refused:
        parse(*entries)
    assert not any(secret in str(refused.value) for secret in SECRETS)


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [], "keys": []}', b"\xff"])
def test_what_is_no_list_of_keys_is_refused(document: bytes) -> None:
    with pytest.raises(KeyUnusableError, match="FILE"):
        parse_client_keys(document, origin="FILE")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), st.integers(0, 3))
def test_no_rubbish_crashes(rubbish: Any, member: int) -> None:
    entry = hmac_entry() | {list(hmac_entry())[member]: rubbish}
    with contextlib.suppress(KeyUnusableError):
        assert len(parse(entry)) == 1


SHARED = ClientKey("shared", "hmac-sha256", b"s")
OLD, NEW = ClientKey("old", "hmac-sha256", b"o", "shop"), ClientKey("new", "hmac-sha256", b"n", "shop")
RING = KeyRing([SHARED, OLD, NEW])


@pytest.mark.parametrize(
    ("key_id", "subject", "found"),
    [
        (None, "somebody", ["shared"]),
        (None, None, ["shared"]),
        ("shared", "somebody", ["shared"]),
        ("old", "shop", ["old"]),
        ("new", "shop", ["new"]),
        # A client's key is nobody else's, and a client with keys cannot be impersonated with the shared one.
        ("old", "somebody", []),
        ("old", None, []),
        (None, "shop", []),
        ("shared", "shop", []),
        ("unknown", "shop", []),
        ("", "shop", []),
    ],
)
def test_a_key_signs_for_its_subject_alone(key_id: str | None, subject: str | None, found: list[str]) -> None:
    assert names(RING.candidates(key_id, subject)) == found


# From the settings


def write(path: Path, *entries: Any) -> Path:
    path.write_text(json.dumps({"keys": entries}))
    return path


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def test_the_shared_key_may_have_a_previous_one() -> None:
    ring = client_keys(settings(hmac_key=SECRETS[0], hmac_previous_key=SECRETS[1])).ring
    assert [key.key for key in ring.candidates(None, "a")] == [SECRETS[0].encode(), SECRETS[1].encode()]
    assert names(ring.candidates("shared-previous", "a")) == ["shared-previous"]


def test_a_file_may_stand_beside_the_shared_key_or_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", hmac_entry())
    beside, alone = (client_keys(settings(hmac_keys_file=file, **more)).ring for more in ({"hmac_key": SECRETS[1]}, {}))
    assert names(beside.candidates(None, "other")) == ["shared"]
    assert names(alone.candidates(None, "other")) == []
    assert names(alone.candidates("shop-1", "shop")) == ["shop-1"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "HMAC_KEY is not set"),
        ({"hmac_key": "short"}, "HMAC_KEY is 5 bytes"),
        ({"hmac_key": SECRETS[0], "hmac_previous_key": "short"}, "HMAC_PREVIOUS_KEY is 5 bytes"),
        ({"hmac_keys_file": "/nowhere/keys.json"}, "cannot be read"),
    ],
)
def test_keys_that_cannot_work_stop_the_start(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KeyUnusableError, match=sentence):
        client_keys(settings(**values))


def test_a_changed_file_is_a_rotation_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", hmac_entry())
    keys = ClientKeyFile(file, [SHARED])
    write(file, hmac_entry(), hmac_entry(key_id="shop-9", secret=SECRETS[2]))
    keys.refresh()
    assert names(keys.ring.candidates("shop-1", "shop")) == ["shop-1"]
    assert names(keys.ring.candidates("shop-9", "shop")) == ["shop-9"]
    file.write_text("{")
    with pytest.raises(KeyUnusableError):
        keys.refresh()
    file.unlink()
    with pytest.raises(KeyUnusableError):
        keys.refresh()
    assert names(keys.ring.candidates("shop-9", "shop")) == ["shop-9"]
    write(file, hmac_entry(key_id="shop-9", secret=SECRETS[2]))
    keys.refresh()
    assert names(keys.ring.candidates("shop-1", "shop")) == []


def test_a_broken_file_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "keys.json", hmac_entry())
    keys = ClientKeyFile(file, [])
    file.write_text("{")
    for _ in range(3):
        keys._refresh_quietly()
    assert caplog.text.count("those read last stay in use") == 1
