"""What every mark of the last accepted version does; subclasses name the adapter in a fixture `mark`."""

from ml.stores.accepted_version.accepted_version import AcceptedVersion

OLD, NEW, NEWER = "v20260101T000000-ffffff", "v20260102T000000-000000", "v20260102T000001-000000"


class AcceptedVersionContract:
    def test_there_is_none_before_the_first(self, mark: AcceptedVersion) -> None:
        assert mark.read() is None

    def test_it_rises_and_never_falls_by_itself(self, mark: AcceptedVersion) -> None:
        for version, expected in ((NEW, NEW), (OLD, NEW), (NEW, NEW), (NEWER, NEWER), (OLD, NEWER)):
            mark.raise_to(version)
            assert mark.read() == expected

    def test_an_administrator_sets_it_back(self, mark: AcceptedVersion) -> None:
        mark.raise_to(NEWER)
        mark.set_to(OLD)
        assert mark.read() == OLD
        mark.raise_to(NEW)
        assert mark.read() == NEW
