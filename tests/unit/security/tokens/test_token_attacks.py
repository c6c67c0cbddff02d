import pytest

from security.errors import KeyUnusableError, TokenRejectedError
from security.keys import check_secret
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.tokens.token_verifier import TokenVerifier
from settings import Settings
from tests.unit.security.tokens.token_attacks import SECRET, attacks, claims, forge, public_forms

ATTACKS = list(attacks())


@pytest.fixture(scope="module")
def verifier() -> TokenVerifier:
    settings = Settings(_env_file=None, jwt_secret=SECRET, jwt_key_id="key-1")
    return TokenVerifier.from_settings(settings, revocations=RevocationList(MemoryRevocations(), leeway_seconds=30))


def test_the_token_that_the_attacks_alter_is_good(verifier: TokenVerifier) -> None:
    assert verifier.verify(forge(claims())).subject == "mallory"


@pytest.mark.parametrize(("token", "reason"), [attack[1:] for attack in ATTACKS], ids=[name for name, *_ in ATTACKS])
def test_is_refused_for_its_reason(verifier: TokenVerifier, token: str, reason: str) -> None:
    with pytest.raises(TokenRejectedError) as refused:
        verifier.verify(token)
    assert refused.value.reason == reason


PUBLIC = {name: material.decode() for name, material in public_forms() if material.isascii()}


@pytest.mark.parametrize("material", PUBLIC.values(), ids=PUBLIC)
def test_a_public_key_is_no_secret_in_whatever_form_it_is_written(material: str) -> None:
    with pytest.raises(KeyUnusableError, match="is a public or private key"):
        check_secret("JWT_SECRET", material.strip())
