import pytest

from security.tokens.token_cache import CACHE_SECONDS, CACHE_TOKENS, VerifiedTokens, digest_of

NOW = 1_700_000_000.0
A, B = digest_of("a"), digest_of("b")


@pytest.fixture
def tokens() -> VerifiedTokens[str]:
    return VerifiedTokens[str]()


def put(
    tokens: VerifiedTokens[str], digest: bytes = A, *, generation: tuple[int, int] = (0, 0), **times: float
) -> None:
    tokens.put(digest, "somebody", generation=generation, **({"now": NOW, "expires_at": NOW + 600} | times))


def test_a_token_is_remembered_for_thirty_seconds(tokens: VerifiedTokens[str]) -> None:
    put(tokens)
    assert tokens.get(A, (0, 0), NOW + CACHE_SECONDS - 0.001) == "somebody"
    assert tokens.get(A, (0, 0), NOW + CACHE_SECONDS) is None
    assert tokens.get(B, (0, 0), NOW) is None


def test_no_token_is_remembered_beyond_its_end(tokens: VerifiedTokens[str]) -> None:
    put(tokens, expires_at=NOW + 10)
    assert tokens.get(A, (0, 0), NOW + 9.9) == "somebody"
    assert tokens.get(A, (0, 0), NOW + 10) is None
    put(tokens, expires_at=NOW - 5)  # accepted within the leeway
    assert tokens.get(A, (0, 0), NOW) is None


@pytest.mark.parametrize("generation", [(1, 0), (0, 1)])
def test_a_change_of_keys_or_revocations_forgets_everything(
    tokens: VerifiedTokens[str], generation: tuple[int, int]
) -> None:
    put(tokens)
    assert tokens.get(A, (0, 0), NOW) == "somebody"
    assert tokens.get(A, generation, NOW) is None
    assert len(tokens) == 0


def test_what_was_verified_before_a_change_is_not_believed_after_it(tokens: VerifiedTokens[str]) -> None:
    tokens.get(A, (0, 0), NOW)  # one thread begins to verify
    tokens.get(B, (0, 1), NOW)  # another sees the change
    put(tokens, generation=(0, 0))  # the first ends
    assert tokens.get(A, (0, 1), NOW) is None


def test_the_memory_is_bounded(tokens: VerifiedTokens[str]) -> None:
    for number in range(CACHE_TOKENS + 10):
        put(tokens, number.to_bytes(32))
    assert 0 < len(tokens) <= CACHE_TOKENS


def test_no_two_tokens_share_a_memory() -> None:
    assert digest_of("a.b.c") != digest_of("a.b.d")
    assert len(digest_of("a.b.c")) == 32
