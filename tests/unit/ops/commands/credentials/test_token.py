from ops.commands.credentials.token import shown
from security.tokens.minted_tokens import MintedToken


def test_a_token_whose_event_a_stranger_wrote_is_one_line_without_escapes() -> None:
    token = MintedToken("t", "s", ("metrics\x9b2J",), 1, 2, "x\r", "a\x1b[2J\nfake")
    line = shown(token, is_over=False)
    assert line.isprintable()
    assert line.endswith(r"by x\r  a\x1b[2J\nfake")
    assert "revoked" in shown(token, is_over=True)
