"""`python -m ops observability`: writes what Prometheus, Alertmanager and Grafana read: rules, routes, dashboards."""

from pathlib import Path
from urllib.parse import urlsplit

import click

from observability.configuration.alertmanager_file import RECEIVERS
from observability.configuration.alerts_document import alerts_document
from observability.configuration.files import configuration_files
from observability.configuration.site import DEVELOPMENT, Site
from ops.errors import OpsError


def _url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Returns a URL without a slash at its end."""
    if urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname:
        raise click.BadParameter(f"{value!r} is no URL; write http://… or https://….")
    return value.rstrip("/")


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write the files below.")
@click.option("--document", is_flag=True, help="Print docs/alerts.md instead.")
@click.option("--grafana-url", default=DEVELOPMENT.grafana_url, callback=_url, show_default=True)
@click.option("--runbooks-url", default=DEVELOPMENT.runbooks_url, callback=_url, show_default=True)
@click.option("--receiver", "receivers", multiple=True, type=click.Choice(RECEIVERS), help="Default: all of them.")
@click.option("--email-from", default=DEVELOPMENT.email_from, show_default=True)
@click.option("--email-to", default=DEVELOPMENT.email_to, show_default=True)
@click.option("--smarthost", default=DEVELOPMENT.smarthost, show_default=True, help="HOST:PORT of the mail server.")
@click.option("--slack-channel", default=DEVELOPMENT.slack_channel, show_default=True)
@click.option("--webhook-url", default=DEVELOPMENT.webhook_url, callback=_url, show_default=True)
@click.option("--heartbeat-url", default=DEVELOPMENT.heartbeat_url, callback=_url, show_default=True)
@click.option("--secrets", default=DEVELOPMENT.secrets, show_default=True, help="Folder of Alertmanager's secrets.")
def command(out: Path | None, document: bool, receivers: tuple[str, ...], **addresses: str) -> None:  # noqa: FBT001 - click passes options by name
    """Write rules, Alertmanager's configuration and dashboards, with an installation's own addresses."""
    if document:
        click.echo(alerts_document(), nl=False)
        return
    if out is None:
        raise OpsError("Say where to write: --out FOLDER; the files go to FOLDER/observability/….")
    files = configuration_files(Site(**addresses), receivers or RECEIVERS)
    try:
        for path, content in files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{error.filename} cannot be written: {error.strerror}.") from error
    click.echo(f"{len(files)} files are written below {out / 'observability'}.")
