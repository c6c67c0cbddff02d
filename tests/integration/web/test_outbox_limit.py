from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.keys_redis import OUTBOX
from tests.integration.web.conftest import running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works


def test_beyond_the_outbox_limit_scoring_answers_503_and_says_when_to_come_back(works: Works) -> None:
    works.client.delete(OUTBOX)
    limited = Works(works.folder, works.env | {"OUTBOX_LIMIT": "100"}, works.settings)
    with limited.worker("score"), running_api(works, SCORE_TIMEOUT_MS="3000") as api, api.client() as client:
        items = [transaction() for _ in range(101)]
        answers = [client.post(SCORE, item) for item in items]
        assert [answer.status for answer in answers] == [200] * 100 + [503]
        assert answers[-1].json()["type"] == "/docs#problem-overloaded"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3
        assert works.client.xlen(OUTBOX) == 100
        assert works.client.exists(decision_key(items[-1]["transaction_id"])) == 0
        assert client.post(SCORE, items[0]).status == 200  # a retry needs no room
        works.client.xtrim(OUTBOX, maxlen=99)  # the drains catch up
        assert client.post(SCORE, items[-1]).status == 200
    works.client.delete(OUTBOX)
