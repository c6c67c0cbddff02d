"""All files that are written from the rules and dashboards."""

from collections.abc import Mapping
from pathlib import Path

from observability.configuration.alertmanager_file import RECEIVERS, alertmanager_file
from observability.configuration.rules_file import rules_file
from observability.configuration.site import DEVELOPMENT, Site
from observability.dashboards.catalogue import DASHBOARDS
from observability.dashboards.grafana_file import grafana_file


def configuration_files(site: Site = DEVELOPMENT, receivers: tuple[str, ...] = RECEIVERS) -> Mapping[Path, str]:
    """Returns the content of every file of an installation by its path, as the repository has them."""
    boards = {
        Path(f"observability/grafana/{dashboard.uid}.json"): grafana_file(dashboard, runbooks_url=site.runbooks_url)
        for dashboard in DASHBOARDS
    }
    return {
        **boards,
        Path("observability/prometheus/rules.yml"): rules_file(site),
        Path("observability/alertmanager/alertmanager.yml"): alertmanager_file(site, receivers),
    }
