from settings import DEVELOPMENT_MARK, Settings


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_development_accepts_its_own_keys() -> None:
    assert Settings(_env_file=None, jwt_secret=DEVELOPMENT_MARK + "x" * 40).jwt_secret is not None
