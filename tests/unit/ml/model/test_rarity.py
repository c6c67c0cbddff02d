import pytest

from ml.model.rarity import RARITY_LEVELS, Rarity

BORDERS = tuple(level**8 for level in RARITY_LEVELS)
RARITY = Rarity(anomaly=BORDERS, autoencoder=tuple(reversed([1 - border for border in BORDERS])))


def test_a_share_is_claimed_from_its_border_on() -> None:
    for level, border in zip(RARITY_LEVELS, BORDERS, strict=True):
        assert RARITY.of_anomaly(border) == level
        assert RARITY.of_anomaly(border - 1e-9) < level


def test_below_the_median_nothing_is_claimed() -> None:
    assert RARITY.of_anomaly(0.0) == 0.0
    assert RARITY.of_autoencoder(0.0) == 0.0


def test_the_written_form_is_read_back() -> None:
    assert Rarity.from_json(RARITY.to_json()) == RARITY


@pytest.mark.parametrize("text", ["", "{}", '{"anomaly": [], "autoencoder": []}', '{"anomaly": 1, "autoencoder": 2}'])
def test_a_malformed_text_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Rarity.from_json(text)


def test_borders_that_do_not_ascend_are_refused() -> None:
    broken = Rarity(anomaly=BORDERS[::-1], autoencoder=BORDERS)
    with pytest.raises(ValueError, match="ascending"):
        Rarity.from_json(broken.to_json())
