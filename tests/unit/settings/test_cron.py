import pytest
from celery.schedules import crontab

from settings.cron import check_cron


@pytest.mark.parametrize(
    "text",
    ["0 3 * * *", "*/15 * * * *", "0,30 8-17/2 1-7 jan,feb mon-fri", "0 0 * * fri-mon", "59 23 31 12 6"],
)
def test_what_is_accepted_celery_reads(text: str) -> None:
    assert crontab.from_string(check_cron(text)) is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("daily", "not five fields"),
        ("0 3 * *", "not five fields"),
        ("60 3 * * *", "its minute is none of"),
        ("0 24 * * *", "its hour is none of"),
        ("0 3 0 * *", "its day of the month"),
        ("0 3 * 13 *", "its month"),
        ("0 3 * * someday", "its day of the week"),
        ("0 0 * * 7", "its day of the week"),
        ("*/0 * * * *", "its minute"),
        ("1,,2 * * * *", "its minute"),
        ("-1 * * * *", "its minute"),
    ],
)
def test_what_beat_could_not_read_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_cron(text)
