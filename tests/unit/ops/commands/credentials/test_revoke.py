from ops.commands.credentials.revoke import shown
from security.revocations.revocation import Revocation, RevokedKind


def test_a_revocation_that_a_stranger_wrote_is_one_line_without_escapes() -> None:
    line = shown(Revocation(RevokedKind.TOKEN, "t\x1b[2J", 1, 2, "a\nsubject  nobody", "x\r"))
    assert line.isprintable()
    assert r"t\x1b[2J" in line
    assert line.endswith(r"x\r  a\nsubject  nobody")


def test_a_revocation_without_a_reason_ends_with_who_made_it() -> None:
    assert shown(Revocation(RevokedKind.SUBJECT, "shop", 1, 2, "", "ada")).endswith("  ada")
