"""`python -m ops certs`: makes development certificates."""

from pathlib import Path

import click
import orjson

from ops.credentials.development_certificates import client_uri, make_development_certificates
from ops.credentials.development_keys import refuse_in_production
from settings import DEVELOPMENT_ENV_FILE


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEVELOPMENT_ENV_FILE.parent / "tls",
    show_default=True,
    help="Folder of the certificates.",
)
@click.option("--name", "names", multiple=True, help="A further host name or address of the server's certificate.")
@click.option("--force", is_flag=True, help="Replace existing certificates; nobody trusts the old ones afterwards.")
def command(folder: Path, names: tuple[str, ...], force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make an authority, a server's and clients' certificates for TLS on a development machine."""
    refuse_in_production("certificates for development", "use those of an authority of your own")
    make_development_certificates(folder, server_names=names, replace=force)
    identities = {f"URI:{client_uri(role)}": [f"dev-{role}", [role]] for role in ("service", "read", "admin")}
    click.echo(f"Development certificates are in {folder}. The API speaks TLS and asks for client certificates with\n")
    click.echo(f"TLS_CERTIFICATE_FILE={folder / 'server.pem'}")
    click.echo(f"TLS_KEY_FILE={folder / 'server.key'}")
    click.echo(f"TLS_CLIENT_CA_FILE={folder / 'ca.pem'}\n")
    click.echo("and lets them stand for token and signature with\n")
    click.echo("MTLS_ONLY=true")
    click.echo(f"MTLS_IDENTITIES='{orjson.dumps(identities).decode()}'")
