import pytest

from ops.proving.deployment import DeploymentError, check_deployment
from ops.stack.api_access import ApiAccess
from security.keys import generate_secret
from settings import Environment, Settings
from tests.unit.ops.proving.scripted_api import scripted_api


def test_an_api_is_production_also_where_only_this_machine_says_so() -> None:
    settings = Settings(_env_file=None, hmac_key=generate_secret()).model_copy(
        update={"environment": Environment.PRODUCTION}
    )
    with scripted_api() as api:
        access = ApiAccess(api.url, settings, None, needs_keys=True)
        with pytest.raises(DeploymentError, match="say --allow-production"):
            check_deployment(access, allow_production=False)
        assert check_deployment(access, allow_production=True) is None
