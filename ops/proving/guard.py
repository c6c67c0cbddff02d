"""The guard of what proves something: it breaks, loads or fills a platform, and has no place beside a real one."""

from ops.credentials.development_keys import refuse_in_production


def refuse_beside_production(command: str) -> None:
    """Refuses a command that proves something.

    Args:
        command: its name, for the refusal.

    Raises:
        ops.errors.OpsError: ENVIRONMENT is production.
    """
    refuse_in_production(
        f"`python -m ops {command}`: it starts a platform of its own and loads this machine",
        "run it on another machine, or with ENVIRONMENT=development where nothing real is served",
    )
