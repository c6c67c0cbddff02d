"""SAFE MODE in the web process: its state, its gauge, its refusals."""

from observability import metrics
from security.safe_mode.safe_mode import UNKNOWN, SafeModeState
from web.http.errors import SafeModeError, SelfTestFailedError
from web.services import Services

_SERVICE = "web"
_WAY_OUT = (
    "Mend the cause, then POST /admin/safe-mode/disable: it tests every scoring process first, and names what fails."
)


def safe_mode_state(services: Services) -> SafeModeState:
    """Returns the state and sets the gauge to it."""
    state = services.safe_mode.state()
    if state is UNKNOWN:  # the first requests of a process wait for its first read instead of being refused
        state = services.safe_mode.refresh()
    show_safe_mode(state)
    return state


def show_safe_mode(state: SafeModeState) -> None:
    """Sets the gauge."""
    metrics.safe_mode_state.labels(service=_SERVICE).set(1 if state.enabled else 0)


def way_out(state: SafeModeState) -> str:
    """Returns what an administrator does to end SAFE MODE; empty while it is off."""
    return _WAY_OUT if state.enabled else ""


def refuse_in_safe_mode(services: Services) -> None:
    """Stops a scoring request while SAFE MODE is on, unless rules decide then.

    Raises:
        SafeModeError: it is on.
    """
    state = safe_mode_state(services)
    if state.enabled and services.settings.safe_mode_policy == "reject":
        raise SafeModeError(state.reason)


def leave_safe_mode(services: Services, subject: str) -> SafeModeState:
    """Turns SAFE MODE off if the self-test passes, and returns the state.

    Raises:
        SelfTestFailedError: it did not pass; that is audited, and SAFE MODE stays.
        SafeModeUnavailableError: the switch cannot be reached.
    """
    services.safe_mode.refresh()  # a record that was lost is written back first
    failures = services.self_test.failures()
    if failures:
        services.safe_mode_switch.note_refusal("; ".join(failures), subject)
        raise SelfTestFailedError(failures)
    return services.safe_mode_switch.disable(subject, after=services.safe_mode.newest_since)
