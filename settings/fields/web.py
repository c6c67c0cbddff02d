"""The API: its address, processes and the size of requests."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class WebSettings(BaseSettings):
    """How the API listens and how much one request may hold."""

    web_host: str = Field("127.0.0.1", description="Address the API listens on.")
    web_port: int = Field(8080, ge=0, le=65535, description="Port of the API.")
    web_processes: int = Field(1, ge=1, le=64, description="gunicorn worker processes.")
    web_reuse_port: bool = Field(
        default=False,
        description="Lets several instances of the API on one machine listen on WEB_PORT, so that one can be replaced "
        "while another serves; a port that is taken by mistake then raises no error.",
    )
    web_connections: int = Field(1000, ge=1, le=1_000_000, description="Open connections per web process.")
    request_timeout_seconds: int = Field(
        10,
        ge=1,
        le=60,
        description="Longest time that a TLS handshake, a request's head, its body, or a client's taking of the answer "
        "may last.",
    )
    web_keepalive_seconds: int = Field(
        75,
        ge=1,
        le=3600,
        description="How long an idle connection is kept for its next request. Behind a balancer longer than the "
        "balancer keeps its own, which is often 60 seconds: else a request may meet a connection that just closed.",
    )
    web_drain_seconds: int = Field(
        5,
        ge=0,
        le=300,
        description="How long the API serves on after SIGTERM, with readiness 503, before it takes no more "
        "connections; longer than a balancer takes to notice. The stack on one machine waits 0 unless this is set.",
    )
    body_limit_bytes: int = Field(
        64 * 1024, ge=1024, le=1024**3, description="Largest body of a single request, bytes."
    )
    batch_body_limit_bytes: int = Field(
        1024 * 1024, ge=1024, le=1024**3, description="Largest body of a batch request, bytes."
    )
    batch_limit: int = Field(1000, ge=1, le=1000, description="Most transactions in one batch request.")
    transaction_max_future_seconds: int = Field(
        86_400, ge=0, le=36_500 * 86_400, description="How far in the future a transaction's event time may lie."
    )
    card_number_check: Literal["off", "metadata", "all"] = Field(
        "metadata",
        description="Where a number that a card scheme can have issued (length, first digits, Luhn check) is refused: "
        "`metadata`; `all`, the ids of transactions and labels too; or `off`. One in ten numeric ids of 16 digits "
        "passes the check by chance.",
    )
