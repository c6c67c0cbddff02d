"""Alerts on the API: SAFE MODE, open breakers, refused requests."""

from typing import Final

from observability.alerts.alert import (
    REDIS_REFUSES,
    SAFE_MODE_ON,
    SCORE_WORKER_ABSENT,
    Alert,
    Board,
    RuleGroup,
    Severity,
)
from observability.alerts.expressions import rose

_BREAKER: Final = "max by (dependency) (max_over_time(circuit_breaker_state{matching}[1m])) == 2"
_BREAKER_SUMMARY: Final = "The circuit breaker of {{ $labels.dependency }} is open"

API: Final = RuleGroup(
    "shrike-api",
    alerts=(
        Alert(
            name=SAFE_MODE_ON,
            severity=Severity.CRITICAL,
            expression="max by (service) (safe_mode_state) == 1",
            summary="SAFE MODE is on ({{ $labels.service }})",
            description="No model scores. Scoring requests get 503, or SAFE_MODE_POLICY's rules decide them.",
            board=Board.SECURITY,
        ),
        Alert(
            name="ApiAbsent",
            severity=Severity.CRITICAL,
            expression='absent(safe_mode_state{service="web"})',
            wait="2m",
            summary="No API process has been scraped for two minutes",
            description="No web process shows metrics. Either none runs, or the scraper is not let in.",
            board=Board.SYSTEM,
        ),
        Alert(
            name="CircuitBreakerOpen",
            severity=Severity.CRITICAL,
            expression=_BREAKER.format(matching='{dependency=~"redis|scoring.*"}'),
            wait="1m",
            summary=_BREAKER_SUMMARY,
            description="Scoring requests are refused with 503 at once, because the last ones were not answered.",
            board=Board.API,
            consequence_of=(SAFE_MODE_ON, SCORE_WORKER_ABSENT, REDIS_REFUSES),
        ),
        Alert(
            name="CircuitBreakerOpen",
            severity=Severity.WARNING,
            expression=_BREAKER.format(matching='{dependency="mongo"}'),
            wait="1m",
            summary=_BREAKER_SUMMARY,
            description="Explanations cannot be read: `/explanations` answers 503. Scoring is not touched.",
            board=Board.API,
        ),
        Alert(
            name="RequestsShed",
            severity=Severity.WARNING,
            expression="sum(increase(requests_shed_total[5m])) > 10",
            wait="5m",
            summary="{{ $value | humanize }} requests in five minutes found no room",
            description="More requests come than can be answered in time; the surplus gets 503.",
            board=Board.API,
            consequence_of=(SCORE_WORKER_ABSENT, REDIS_REFUSES),
        ),
    ),
)

SECURITY: Final = RuleGroup(
    "shrike-security",
    alerts=(
        Alert(
            name="AuthFailuresHigh",
            severity=Severity.CRITICAL,
            expression="sum by (reason) (increase(auth_failures_total[5m])) > 50",
            wait="1m",
            summary="{{ $value | humanize }} requests refused in five minutes: {{ $labels.reason }}",
            description="Somebody tries credentials, or a client's own have become wrong and its payments are refused.",
            board=Board.SECURITY,
        ),
        Alert(
            name="MessageForged",
            severity=Severity.CRITICAL,
            expression=rose('auth_failures_total{reason=~"message_.*|remote_control"}', "15m", by="reason") + " > 0",
            summary="A worker refused a queue message: {{ $labels.reason }}",
            description="Something that is no process of ours writes to Redis, or a process has another MESSAGE_KEY.",
            board=Board.SECURITY,
        ),
        Alert(
            name="RecordUntrusted",
            severity=Severity.CRITICAL,
            expression=rose('fraud_inference_requests_total{outcome="untrusted"}', "15m") + " > 0",
            summary="A stored decision is not ours and is not believed",
            description="Something stands in the place of a decision record that no process of ours wrote, or that was "
            "changed since. The transaction gets 503.",
            board=Board.SECURITY,
        ),
        Alert(
            name="SafeModeRecordFault",
            severity=Severity.CRITICAL,
            expression=rose("safe_mode_record_faults_total", "15m", by="fault") + " > 0",
            summary="The SAFE MODE record in Redis was {{ $labels.fault }}",
            description="The record of the switch was removed or altered by something that is no process of ours. The "
            "known state was obeyed and written back.",
            board=Board.SECURITY,
        ),
        Alert(
            name="ClockRefusals",
            severity=Severity.WARNING,
            expression=rose("clock_refusals_total", "15m", by="reason") + " > 0",
            summary="A web process with a wrong clock refused {{ $value | humanize }} requests: {{ $labels.reason }}",
            description="Its clock is more than a second off Redis's, and it judges tokens and timestamps by it.",
            board=Board.SECURITY,
        ),
        Alert(
            name="ClockOff",
            severity=Severity.WARNING,
            expression="max by (service, instance) (abs(clock_offset_seconds)) > 1",
            wait="5m",
            summary="The clock of {{ $labels.service }} at {{ $labels.instance }} is off by "
            "{{ $value | humanizeDuration }}",
            description="Decisions go by Redis's clock and are not touched. Web processes there refuse good requests "
            "once the difference nears HMAC_MAX_SKEW_SECONDS.",
            board=Board.SYSTEM,
        ),
    ),
)
