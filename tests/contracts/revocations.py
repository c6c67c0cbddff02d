"""What every list of revocations does; subclasses name the adapter in a fixture `store`."""

import time

from security.revocations.revocation import Revocation, RevocationStore, RevokedKind

NOW = int(time.time()) + 3600
"""Ahead of the real clock, by which adapters let entries expire: a run may last longer than an entry lives."""


def entry(name: str = "t-1", *, kind: RevokedKind = RevokedKind.TOKEN, life_seconds: int = 3600) -> Revocation:
    return Revocation(kind, name, NOW, NOW + life_seconds, "stolen ✗", "admin")


class RevocationsContract:
    def test_is_empty_at_first(self, store: RevocationStore) -> None:
        assert store.version() == ""
        assert list(store.read().entries) == []

    def test_keeps_what_was_added_with_its_reason(self, store: RevocationStore) -> None:
        token, subject = entry("a"), entry("a", kind=RevokedKind.SUBJECT)
        store.add(token, now=NOW)
        store.add(subject, now=NOW)
        assert {item.kind: item for item in store.read().entries} == {
            RevokedKind.TOKEN: token,
            RevokedKind.SUBJECT: subject,
        }

    def test_any_name_that_a_token_can_carry_is_kept(self, store: RevocationStore) -> None:
        names = ["a:b", "token:x", '"', "\\", "{}", "x" * 128, "~!"]
        for name in names:
            store.add(entry(name), now=NOW)
        assert sorted(item.name for item in store.read().entries) == sorted(names)

    def test_the_later_of_two_entries_of_one_name_stands(self, store: RevocationStore) -> None:
        store.add(entry(life_seconds=60), now=NOW)
        store.add(entry(life_seconds=600), now=NOW)
        assert [item.expires_at for item in store.read().entries] == [NOW + 600]

    def test_every_change_makes_another_version(self, store: RevocationStore) -> None:
        versions = [store.version()]
        store.add(entry("a"), now=NOW)
        versions.append(store.version())
        store.add(entry("a"), now=NOW)
        versions.append(store.version())
        store.lift(RevokedKind.TOKEN, "a")
        versions.append(store.version())
        assert len(set(versions)) == 4

    def test_the_version_that_is_read_is_that_of_the_list(self, store: RevocationStore) -> None:
        store.add(entry("a"), now=NOW)
        snapshot = store.read()
        assert snapshot.version == store.version()
        assert store.read() == snapshot

    def test_a_lifted_entry_is_gone(self, store: RevocationStore) -> None:
        store.add(entry("a"), now=NOW)
        store.add(entry("b"), now=NOW)
        assert store.lift(RevokedKind.TOKEN, "a")
        assert [item.name for item in store.read().entries] == ["b"]

    def test_lifting_what_is_not_there_changes_nothing(self, store: RevocationStore) -> None:
        store.add(entry("a"), now=NOW)
        before = store.version()
        assert not store.lift(RevokedKind.SUBJECT, "a")
        assert store.version() == before

    def test_expired_entries_are_dropped_when_one_is_added(self, store: RevocationStore) -> None:
        store.add(entry("old", life_seconds=60), now=NOW)
        store.add(entry("new", life_seconds=600), now=NOW + 60)
        assert [item.name for item in store.read().entries] == ["new"]
