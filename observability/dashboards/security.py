"""Security and integrity: who is refused and why, what was tampered with, which models were not believed."""

from typing import Final

from observability.alerts.alert import Board
from observability.dashboards.panel import Dashboard, Kind, Panel, Query, Row, Unit, rate

SECURITY: Final = Dashboard(
    Board.SECURITY,
    "Security & integrity",
    "Who is refused and why, and what was found altered.",
    (
        Row(
            "Refused",
            (
                Panel(
                    title="Security checks failed",
                    description="By reason. A single reason that rises is a client's mistake or an attack.",
                    queries=(Query(rate("auth_failures_total", by="reason"), "{{reason}}"),),
                    unit=Unit.PER_SECOND,
                    alerts=("AuthFailuresHigh", "MessageForged"),
                ),
                Panel(
                    title="Tokens refused",
                    description="Share of all tokens that were verified.",
                    queries=(
                        Query(
                            rate("jwt_validations_total", matching='result="rejected"')
                            + " / "
                            + rate("jwt_validations_total"),
                            "refused",
                        ),
                    ),
                    unit=Unit.SHARE,
                    alerts=("AuthFailuresHigh",),
                ),
                Panel(
                    title="Why tokens are refused",
                    description="`token_expired` is a client that does not renew; `token_signature` a wrong key.",
                    queries=(Query(rate("jwt_failures_total", by="reason"), "{{reason}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Request signatures",
                    description="`accepted_legacy` ends once every client signs in base64.",
                    queries=(Query(rate("hmac_verifications_total", by="result"), "{{result}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Rate limits",
                    description="Requests answered with 429, by bucket.",
                    queries=(Query(rate("rate_limit_block_total", by="bucket"), "{{bucket}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Refused for the time of day",
                    description="By web processes whose own clock is off: good clients are among them.",
                    queries=(Query(rate("clock_refusals_total", by="reason"), "{{reason}}"),),
                    unit=Unit.PER_SECOND,
                    alerts=("ClockRefusals",),
                ),
            ),
        ),
        Row(
            "Integrity",
            (
                Panel(
                    title="SAFE MODE",
                    description="By service. All should agree within a second.",
                    queries=(Query("max by (service) (safe_mode_state{$at})", "{{service}}"),),
                    unit=Unit.NONE,
                    bad_from=1,
                    names=((0, "off"), (1, "ON")),
                    empty="not known",
                    alerts=("SafeModeOn",),
                    kind=Kind.NUMBER,
                ),
                Panel(
                    title="Versions refused",
                    description="By the check that failed; anything here wants an explanation.",
                    queries=(Query("sum by (check) (model_load_failures_total{$at})", "{{check}}"),),
                    unit=Unit.COUNT,
                    warn_from=1,
                    empty="none",
                    alerts=("ModelIntegrityFailed", "ModelNotLoadable"),
                    kind=Kind.NUMBER,
                ),
                Panel(
                    title="SAFE MODE record found wrong",
                    description="Somebody wrote into Redis, or it lost its last seconds.",
                    queries=(Query("sum by (fault) (safe_mode_record_faults_total{$at})", "{{fault}}"),),
                    unit=Unit.COUNT,
                    bad_from=1,
                    empty="never",
                    alerts=("SafeModeRecordFault",),
                    kind=Kind.NUMBER,
                ),
                Panel(
                    title="Clock against Redis's",
                    description="Tokens and timestamps are judged by the machine's own clock.",
                    queries=(Query("clock_offset_seconds{$at}", "{{service}} {{instance}}"),),
                    unit=Unit.SECONDS,
                    alerts=("ClockOff",),
                    width=12,
                ),
                Panel(
                    title="The scraper's token expires",
                    description="After that the API's metrics are gone.",
                    queries=(Query("min(scrape_credentials_expiry_timestamp_seconds{$at} > 0) * 1000", "expires"),),
                    unit=Unit.MOMENT,
                    kind=Kind.NUMBER,
                    empty="not scraped yet",
                    alerts=("ScrapeTokenExpires",),
                    width=12,
                ),
            ),
        ),
    ),
)
