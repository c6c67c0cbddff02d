"""What every mark of the last accepted version does; subclasses name the adapter in a fixture `mark`."""

from ml.stores.accepted_version.accepted_version import AcceptedVersion

OLD, NEW, NEWER = "v20260101T000000-ffffff", "v20260102T000000-000000", "v20260102T000001-000000"


class AcceptedVersionContract:
    def test_there_is_none_before_the_first(self, mark: AcceptedVersion) -> None:
        assert mark.read() is None

    def test_it_rises_and_never_falls_by_itself(self, mark: AcceptedVersion) -> None:
        for version, expected in ((NEW, NEW), (OLD, NEW), (NEW, NEW), (NEWER, NEWER), (OLD, NEWER)):
            assert mark.raise_to(version, under=mark.override())
            assert mark.read() == expected

    def test_an_administrator_sets_it_back(self, mark: AcceptedVersion) -> None:
        mark.raise_to(NEWER, under=mark.override())
        mark.set_to(OLD)
        assert mark.read() == OLD
        mark.raise_to(NEW, under=mark.override())
        assert mark.read() == NEW

    def test_who_looked_before_an_administrator_set_it_does_not_raise_it(self, mark: AcceptedVersion) -> None:
        seen = [mark.override()]
        mark.set_to(OLD)
        seen.append(mark.override())
        mark.set_to(OLD)
        for under in seen:
            assert not mark.raise_to(NEW, under=under)
        assert mark.read() == OLD
