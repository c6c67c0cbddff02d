import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from security.errors import KeyUnusableError, TokenRejectedError
from security.keys import generate_secret
from security.revocations.revocation import Revocation, RevokedKind
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.roles import Role
from security.tokens.token_cache import VerifiedTokens
from security.tokens.token_issuer import issue_token
from security.tokens.token_keys import FixedKeys, verification_keys
from security.tokens.token_verifier import TokenVerifier, bearer_token
from settings import Settings

NOW = 1_700_000_000
SECRET = generate_secret()
OTHER_SECRET = generate_secret()


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **({"jwt_secret": SECRET, "jwt_key_id": "key-1"} | values))


def verifier(clock: Clock | None = None, **values: Any) -> TokenVerifier:
    return verifier_of(settings(**values), clock)


def verifier_of(
    settings: Settings, clock: Clock | None = None, revocations: MemoryRevocations | None = None
) -> TokenVerifier:
    known = RevocationList(revocations or MemoryRevocations(), leeway_seconds=30, refresh_seconds=0)
    verifier = TokenVerifier.from_settings(settings, revocations=known)
    verifier._clock = clock or Clock()
    return verifier


def claims(**changes: Any) -> dict[str, Any]:
    """Acceptable claims with changes; a change to None leaves the claim out."""
    claims = {
        "iss": "shrike",
        "aud": "shrike-api",
        "sub": "demo",
        "jti": "t-1",
        "iat": NOW,
        "exp": NOW + 600,
        "roles": ["service"],
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forge(payload: bytes | dict[str, Any], header: bytes | dict[str, Any] | None = None, secret: str = SECRET) -> str:
    """Returns a token over exactly these bytes, with a right HS256 signature."""
    header = {"alg": "HS256", "typ": "JWT", "kid": "key-1"} if header is None else header
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = ".".join(map(encoded, parts))
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), secret.encode())
    return f"{signed}.{encoded(signature)}"


def rejection(token: str, verifier_: TokenVerifier | None = None) -> str:
    with pytest.raises(TokenRejectedError) as refused:
        (verifier_ or verifier()).verify(token)
    return refused.value.reason


def test_an_issued_token_names_its_subject_and_roles() -> None:
    token = issue_token(settings(), subject="demo", roles=[Role.SERVICE, Role.READ], now=NOW)
    identity = verifier().verify(token)
    assert identity.subject == "demo"
    assert identity.roles == {Role.SERVICE, Role.READ}
    assert identity.expires_at == NOW + 3600
    assert identity.token_id


@given(
    subject=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128),
    roles=st.sets(st.sampled_from(Role)),
)
def test_every_issued_token_is_accepted(subject: str, roles: set[Role]) -> None:
    identity = verifier().verify(issue_token(settings(), subject=subject, roles=roles, now=NOW))
    assert (identity.subject, identity.roles) == (subject, roles)


@given(at=st.integers(min_value=0), replacement=st.sampled_from("ABCxyz019-_.=+/ "))
def test_no_changed_token_is_accepted(at: int, replacement: str) -> None:
    token = issue_token(settings(), subject="demo", roles=[Role.ADMIN], now=NOW)
    at %= len(token)
    changed = token[:at] + replacement + token[at + 1 :]
    if changed != token:
        rejection(changed)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_no_rubbish_crashes_or_passes(rubbish: bytes) -> None:
    for token in (rubbish.decode("latin-1"), encoded(rubbish), f"{encoded(rubbish)}.{encoded(rubbish)}.AAAA"):
        rejection(token)


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "sub", "jti", "roles"])
def test_every_required_claim_is_required(claim: str) -> None:
    assert rejection(forge(claims(**{claim: None}))) == "token_claims"
    assert rejection(forge(claims() | {claim: None})) == "token_claims"


@pytest.mark.parametrize(
    "change",
    [
        {"exp": str(NOW + 600)},
        {"exp": NOW + 600.5},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**30},
        {"exp": [NOW + 600]},
        {"exp": NOW},
        {"iat": str(NOW)},
        {"iat": float(NOW)},
        {"iat": False},
        {"nbf": str(NOW)},
        {"iss": "somebody"},
        {"iss": ["shrike"]},
        {"aud": "other-api"},
        {"aud": []},
        {"aud": ["shrike-api", 1]},
        {"aud": {"shrike-api": 1}},
        {"aud": ["shrike-api"] * 17},
        {"sub": ""},
        {"sub": 7},
        {"sub": "two words"},
        {"sub": "line\nbreak"},
        {"sub": "x" * 129},
        {"sub": "\ud800"},
        {"jti": 7},
        {"jti": ""},
        {"roles": "admin"},
        {"roles": {"admin": True}},
        {"roles": ["admin", 1]},
        {"roles": ["service"] * 33},
    ],
)
def test_a_claim_of_the_wrong_form_is_refused(change: dict[str, Any]) -> None:
    assert rejection(forge(claims(**change))) == "token_claims"


def test_times_have_the_configured_leeway() -> None:
    assert verifier().verify(forge(claims(iat=NOW - 600, exp=NOW - 29)))
    assert rejection(forge(claims(iat=NOW - 600, exp=NOW - 30))) == "token_expired"
    assert verifier().verify(forge(claims(iat=NOW + 30)))
    assert rejection(forge(claims(iat=NOW + 31))) == "token_not_yet_valid"
    assert rejection(forge(claims(nbf=NOW + 31))) == "token_not_yet_valid"


def test_several_audiences_are_fine_if_ours_is_among_them() -> None:
    assert verifier().verify(forge(claims(aud=["billing", "shrike-api"])))
    assert rejection(forge(claims(aud=["billing"]))) == "token_claims"


def test_other_applications_roles_give_nothing() -> None:
    assert verifier().verify(forge(claims(roles=["superuser", "Admin"]))).roles == frozenset()
    assert verifier().verify(forge(claims(roles=["superuser", "read"]))).roles == {Role.READ}


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(claims()).encode()[:-1] + b', "exp": 4000000000}',
        json.dumps(claims()).encode()[:-1] + b', "roles": ["admin"]}',
        b"[" * 2000,
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b'{"exp": NaN}',
    ],
)
def test_a_payload_that_is_not_one_unambiguous_object_is_refused(payload: bytes) -> None:
    assert rejection(forge(payload)) == "token_malformed"


def test_a_repeated_header_member_is_refused() -> None:
    assert rejection(forge(claims(), b'{"alg":"none","alg":"HS256","kid":"key-1"}')) == "token_malformed"


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "https://attacker.test/keys"},
        {"x5u": "https://attacker.test/cert"},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"typ": "JWE"},
        {"typ": 1},
        {"typ": None},
    ],
)
def test_a_header_that_brings_keys_or_extensions_is_refused(extra: dict[str, Any]) -> None:
    assert rejection(forge(claims(), {"alg": "HS256", "kid": "key-1"} | extra)) == "token_header"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt"])
def test_the_types_of_signed_tokens_are_accepted(kind: str) -> None:
    assert verifier().verify(forge(claims(), {"alg": "HS256", "typ": kind, "kid": "key-1"}))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "RS256", "hs256", "", None, 1, ["HS256"]])
def test_only_the_configured_algorithm_is_accepted(algorithm: object) -> None:
    assert rejection(forge(claims(), {"alg": algorithm, "kid": "key-1"})) == "token_algorithm"


def test_an_unsigned_token_is_refused() -> None:
    unsigned = forge(claims(), {"alg": "none", "kid": "key-1"}).rpartition(".")[0] + "."
    assert rejection(unsigned) == "token_malformed"


@pytest.mark.parametrize(
    "key_id", ["key-2", "../../key-1", "key-1' OR 1=1", "", "k" * 65, "key-1\n", None, 1, ["key-1"]]
)
def test_a_key_id_that_is_not_ours_is_refused(key_id: object) -> None:
    assert rejection(forge(claims(), {"alg": "HS256", "kid": key_id})) == "token_key_id"


def test_a_key_id_is_refused_where_none_is_configured() -> None:
    assert rejection(forge(claims()), verifier(jwt_key_id=None)) == "token_key_id"
    assert verifier(jwt_key_id=None).verify(forge(claims(), {"alg": "HS256"}))


def test_a_token_signed_with_another_key_is_refused() -> None:
    assert rejection(forge(claims(), secret=OTHER_SECRET)) == "token_signature"


def test_during_a_rotation_both_keys_live_each_under_its_own_id() -> None:
    rotating = verifier(
        jwt_secret=OTHER_SECRET, jwt_key_id="key-2", jwt_previous_secret=SECRET, jwt_previous_key_id="key-1"
    )
    assert rotating.verify(forge(claims()))
    assert rotating.verify(forge(claims(), {"alg": "HS256", "kid": "key-2"}, OTHER_SECRET))
    assert rejection(forge(claims(), {"alg": "HS256", "kid": "key-2"}, SECRET), rotating) == "token_signature"
    assert rejection(forge(claims(), secret=OTHER_SECRET), rotating) == "token_signature"


def test_a_token_without_a_key_id_may_be_signed_with_either_live_key() -> None:
    rotating = verifier(jwt_previous_secret=OTHER_SECRET, jwt_previous_key_id="key-0")
    assert rotating.verify(forge(claims(), {"alg": "HS256"}))
    assert rotating.verify(forge(claims(jti="t-2"), {"alg": "HS256"}, OTHER_SECRET))


def test_an_oversized_token_is_refused_before_it_is_decoded() -> None:
    assert rejection(forge(claims(padding="x" * 4096))) == "token_oversized"


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c.d.e", "a..c", " a.b.c", "a.b.c\n", "ä.b.c", "a.b.c=", "a.b+.c"]
)
def test_what_is_no_compact_token_is_refused(token: str) -> None:
    assert rejection(token) in {"token_missing", "token_malformed", "token_encrypted"}


def test_base64_with_stray_bits_is_refused() -> None:
    token = forge(claims())
    # 32 bytes leave 4 unused bits in the last of 43 characters; setting one keeps the decoded bytes.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    assert rejection(twin) == "token_malformed"


def test_a_token_may_live_as_long_as_configured() -> None:
    short = verifier(jwt_max_lifetime_seconds=600)
    assert short.verify(forge(claims(exp=NOW + 600)))
    assert rejection(forge(claims(exp=NOW + 601)), short) == "token_lifetime"


def test_a_revoked_token_or_subject_is_refused_though_it_was_just_accepted() -> None:
    revocations = MemoryRevocations()
    watched = verifier_of(settings(), revocations=revocations)
    stolen, other = forge(claims(jti="t-1")), forge(claims(jti="t-2"))
    assert watched.verify(stolen)
    assert watched.verify(other)
    revocations.add(Revocation(RevokedKind.TOKEN, "t-1", NOW, NOW + 600), now=NOW)
    assert rejection(stolen, watched) == "token_revoked"
    assert watched.verify(other)
    revocations.add(Revocation(RevokedKind.SUBJECT, "demo", NOW - 31, NOW + 600), now=NOW)
    assert watched.verify(other)
    revocations.add(Revocation(RevokedKind.SUBJECT, "demo", NOW, NOW + 600), now=NOW)
    assert rejection(other, watched) == "token_revoked"
    revocations.lift(RevokedKind.SUBJECT, "demo")
    assert watched.verify(other)
    assert rejection(stolen, watched) == "token_revoked"


class CountedKeys(FixedKeys):
    """Counts how often a token is really verified; the keys can be replaced."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(verification_keys(settings))
        self.lookups = 0

    def keys_with_id(self, key_id: str) -> Any:
        self.lookups += 1
        return super().keys_with_id(key_id)

    def replace(self, settings: Settings) -> None:
        self._keys = tuple(verification_keys(settings))
        self.generation += 1


def test_a_verified_token_is_not_verified_again_until_a_key_changes() -> None:
    counted = CountedKeys(settings())
    remembering = verifier()
    remembering._keys = counted
    token = forge(claims())
    for _ in range(3):
        assert remembering.verify(token)
    assert counted.lookups == 1
    counted.replace(settings())
    assert remembering.verify(token)
    assert counted.lookups == 2
    counted.replace(settings(jwt_secret=OTHER_SECRET))
    assert rejection(token, remembering) == "token_signature"


class RememberingBesideForgetful(RuleBasedStateMachine):
    """Whatever happens, a verifier that remembers says what one without a memory says."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.revocations = Clock(), MemoryRevocations()
        self.clock.now = float(NOW)
        self.keys = CountedKeys(settings())
        self.remembering = verifier_of(settings(), self.clock, self.revocations)
        self.forgetful = verifier_of(settings(), self.clock, self.revocations)
        self.remembering._keys = self.forgetful._keys = self.keys

    tokens = Bundle("tokens")

    @rule(
        target=tokens,
        token_id=st.sampled_from("abc"),
        subject=st.sampled_from(["demo", "other"]),
        life=st.integers(1, 120),
        key=st.sampled_from([SECRET, OTHER_SECRET]),
    )
    def issue(self, token_id: str, subject: str, life: int, key: str) -> str:
        now = int(self.clock.now)
        return forge(claims(jti=token_id, sub=subject, iat=now, exp=now + life), secret=key)

    @rule(token=tokens)
    def verify(self, token: str) -> None:
        self.forgetful._verified = VerifiedTokens()
        assert outcome(self.remembering, token) == outcome(self.forgetful, token)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(secret=st.sampled_from([SECRET, OTHER_SECRET]))
    def rotate(self, secret: str) -> None:
        self.keys.replace(settings(jwt_secret=secret))

    @rule(kind=st.sampled_from(RevokedKind), name=st.sampled_from(["a", "b", "demo", "other"]))
    def revoke(self, kind: RevokedKind, name: str) -> None:
        now = int(self.clock.now)
        self.revocations.add(Revocation(kind, name, now, now + 1000), now=now)

    @rule(kind=st.sampled_from(RevokedKind), name=st.sampled_from(["a", "b", "demo", "other"]))
    def lift(self, kind: RevokedKind, name: str) -> None:
        self.revocations.lift(kind, name)


def outcome(verifier: TokenVerifier, token: str) -> object:
    try:
        return verifier.verify(token)
    except TokenRejectedError as error:
        return error.reason


TestRememberingBesideForgetful = pytest.mark.slow(RememberingBesideForgetful.TestCase)


def test_no_refused_token_is_remembered() -> None:
    empty = verifier()
    rejection(forge(claims(exp=NOW - 300, iat=NOW - 600)), empty)
    rejection(forge(claims(), secret=OTHER_SECRET), empty)
    assert len(empty._verified) == 0


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Basic YTpi", "token_malformed"),
        ("Bearer", "token_malformed"),
        ("Bearer ", "token_malformed"),
        ("abc.def.ghi", "token_malformed"),
    ],
)
def test_a_header_without_a_bearer_token_is_refused(header: str | None, reason: str) -> None:
    with pytest.raises(TokenRejectedError, match=reason):
        bearer_token(header)


def test_the_scheme_is_read_in_any_case() -> None:
    assert bearer_token("bEARER a.b.c") == "a.b.c"


# Asymmetric algorithms

PRIVATE_KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public_pem(algorithm: str) -> bytes:
    key = PRIVATE_KEYS[algorithm].public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(algorithm: str) -> bytes:
    return PRIVATE_KEYS[algorithm].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def asymmetric(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    file = tmp_path / "public.pem"
    file.write_bytes(public_pem(request.param))
    return settings(jwt_algorithm=request.param, jwt_public_key_file=file)


@pytest.mark.parametrize("asymmetric", PRIVATE_KEYS, indirect=True)
def test_a_token_signed_with_the_private_key_is_accepted(asymmetric: Settings) -> None:
    key = private_pem(asymmetric.jwt_algorithm)
    token = issue_token(asymmetric, subject="demo", roles=[Role.READ], private_key=key, now=NOW)
    assert verifier_of(asymmetric).verify(token).roles == {Role.READ}


@pytest.mark.parametrize("asymmetric", PRIVATE_KEYS, indirect=True)
def test_the_public_key_used_as_an_hmac_secret_signs_nothing(asymmetric: Settings) -> None:
    pem = public_pem(asymmetric.jwt_algorithm).decode()
    verifier = verifier_of(asymmetric)
    for secret in (pem, pem.strip(), pem.replace("\n", "\r\n")):
        for algorithm in ("HS256", asymmetric.jwt_algorithm):
            forged = forge(claims(), {"alg": algorithm, "kid": "key-1"}, secret)
            assert rejection(forged, verifier) in {"token_algorithm", "token_signature"}


@pytest.mark.parametrize("asymmetric", PRIVATE_KEYS, indirect=True)
def test_a_key_of_another_kind_stops_the_start(asymmetric: Settings) -> None:
    for other in {"RS256", "ES256", "EdDSA"} - {asymmetric.jwt_algorithm}:
        with pytest.raises(KeyUnusableError, match="does not fit"):
            verification_keys(asymmetric.model_copy(update={"jwt_algorithm": other}))


def test_keys_that_cannot_work_stop_the_start_with_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a key")
    small = tmp_path / "small.pem"
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505 - the weak key under test
    small.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for change, sentence in (
        ({"jwt_secret": None}, "JWT_SECRET is not set"),
        ({"jwt_secret": "short"}, "JWT_SECRET is 5 bytes long"),
        ({"jwt_secret": public_pem("ES256").decode().strip()}, "JWT_SECRET is a public or private key"),
        ({"jwt_previous_secret": OTHER_SECRET, "jwt_previous_key_id": "key-1"}, "must differ"),
        ({"jwt_algorithm": "RS256"}, "JWT_PUBLIC_KEY_FILE is not set"),
        ({"jwt_algorithm": "RS256", "jwt_public_key_file": tmp_path / "none.pem"}, "cannot be read"),
        ({"jwt_algorithm": "RS256", "jwt_public_key_file": broken}, "holds no PEM public key"),
        ({"jwt_algorithm": "RS256", "jwt_public_key_file": small}, "does not fit RS256"),
    ):
        with pytest.raises(KeyUnusableError, match=sentence):
            verification_keys(settings(**change))


def test_issuing_without_a_key_is_refused() -> None:
    with pytest.raises(KeyUnusableError, match="private key"):
        issue_token(settings(jwt_algorithm="ES256"), subject="demo", roles=[])
