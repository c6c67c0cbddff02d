"""Runs the scale benchmark: populations, processes, memory."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any

import click
from redis import Redis

from ops.cli.progress import ProgressLine
from ops.cli.steps import say
from ops.errors import OpsError
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.medians import CPU, CPU_AT_RATE, P50, P99, THROUGHPUT, divided, medians
from ops.proving.bench.load.requests import TransactionSupply
from ops.proving.bench.load.rounds import Plan, Round, run_rounds
from ops.proving.bench.platform.own_stack import OwnStack, own_stack
from ops.proving.bench.scale.layout import beside, database
from ops.proving.bench.scale.memory import STEP, Reading, watch_memory
from ops.proving.bench.scale.population import Pool, Population
from ops.proving.bench.scale.server import ServerCounters, decision_record_bytes
from settings import Settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store

_FIRST_FEATURES, _FIRST_QUEUE = 6, 10  # Redis databases; the stack uses 0
_LAYOUTS = {f"web-{webs}-score-{workers}": (webs, workers) for webs in (1, 2) for workers in (1, 2)}
"""Web processes and scoring workers by name, which becomes part of transaction ids."""
_FIGURES = {
    "throughput": THROUGHPUT,
    "cpu_ms": CPU,
    "p50_ms_at_250": P50,
    "p99_ms_at_250": P99,
    "cpu_ms_at_250": CPU_AT_RATE,
}


def run(
    settings: Settings, plan: Plan, *, parts: Sequence[str], customers: Sequence[int], transactions: int
) -> dict[str, Any]:
    """Measures, prints the tables, and returns the report.

    Args:
        settings: keys, model, and where everything is written.
        plan: rounds and rates.
        parts: what is measured: `customers`, `processes`, `memory`.
        customers: sizes of the store.
        transactions: of the memory measurement.

    Raises:
        OpsError: something did not start, or answered wrongly.
    """
    with own_stack(settings, "scale") as stack:
        report: dict[str, Any] = {"plan": asdict(plan)}
        if "customers" in parts:
            report["customers"] = _customers(stack, plan, customers)
        if "processes" in parts:
            report["processes"] = _processes(stack, plan)
        if "memory" in parts:
            report["memory"] = _memory(stack, transactions)
        return report


def _customers(stack: OwnStack, plan: Plan, sizes: Sequence[int]) -> dict[str, Any]:
    say("Stores of " + ", ".join(f"{size:,}" for size in sizes) + " customers")
    pool = Pool.simulated()
    stored: dict[str, int] = {}
    with ExitStack() as started:
        supplies: list[tuple[Contender, TransactionSupply]] = []
        for place, size in enumerate(sizes):
            population, url = Population(size), database(stack, _FIRST_FEATURES + place)
            stored[f"{size}"] = _fill(stack, population, pool, url)
            contender = started.enter_context(
                beside(stack, f"customers-{size}", queue_database=_FIRST_QUEUE + place, features=url)
            )
            payments = population.payments(stack.transactions, pool)
            supplies.append((contender, stack.supply(payments)))
        rounds = _interleaved(stack, plan, supplies)
    table = _figures(rounds)
    _print(table)
    return {"bytes_stored": stored, "figures": table, "rounds": [item.document() for item in rounds]}


def _fill(stack: OwnStack, population: Population, pool: Pool, url: str) -> int:
    """Fills a store and returns the bytes of memory that it took."""
    with Redis.from_url(url) as server:
        before = int(server.info("memory")["used_memory"])
        # A gigabyte of writes would be logged and rewritten meanwhile; the log begins anew with what is there.
        server.config_set("appendonly", "no")
        population.fill(feature_store(Connections(stack.settings.model_copy(update={"feature_redis_url": url}))), pool)
        taken = int(server.info("memory")["used_memory"]) - before
        server.config_set("appendonly", "yes")
        while server.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.2)
    click.echo(f"  {population.customers:,} customers and {population.terminals:,} terminals: {taken / 1e6:,.0f} MB")
    return taken


def _processes(stack: OwnStack, plan: Plan) -> dict[str, Any]:
    say("Web processes and scoring workers")
    features = database(stack, 0)
    with ExitStack() as started:
        supplies = [
            (
                started.enter_context(
                    beside(
                        stack,
                        name,
                        queue_database=_FIRST_QUEUE + place,
                        features=features,
                        web_processes=webs,
                        score_workers=workers,
                    )
                ),
                stack.supply(),
            )
            for place, (name, (webs, workers)) in enumerate(_LAYOUTS.items())
        ]
        rounds = _interleaved(stack, plan, supplies)
    table = _figures(rounds)
    _print(table)
    return {"figures": table, "rounds": [item.document() for item in rounds]}


def _interleaved(stack: OwnStack, plan: Plan, supplies: Sequence[tuple[Contender, TransactionSupply]]) -> list[Round]:
    """Measures every path in turn, each with its own payments, after a warm-up."""
    progress = ProgressLine()
    one = replace(plan, rounds=1)
    warm_up = Plan(rounds=1, rates=(50.0,), seconds=2.0)
    rounds: list[Round] = []
    for number in range(-1, plan.rounds):
        turn = number % len(supplies)
        for contender, supply in (*supplies[turn:], *supplies[:turn]):
            progress.show(f"round {number + 1} of {plan.rounds}: {contender.name}")
            measured = run_rounds(
                [contender],
                supply,
                stack.signer,
                one if number >= 0 else warm_up,
                batched=None,
                progress=lambda _text, _share: None,
            )
            if not all(item.answered for item in measured):
                raise OpsError(f"{contender.name} answered nothing; its logs are in {stack.folder / 'log'}.")
            rounds += measured if number >= 0 else []
    progress.finish(f"{len(rounds)} measurements")
    return rounds


def _figures(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    """Returns the medians of each path, and each divided by the first path's; unmeasured paths are left out."""
    names = list(dict.fromkeys(item.contender for item in rounds))
    table = {}
    for name in names:
        ratios = divided(rounds, name, by=names[0], figures=_FIGURES)
        values = medians(rounds, name, _FIGURES) | {f"{figure}_ratio": ratio for figure, ratio in ratios.items()}
        table[name] = {figure: value for figure, value in values.items() if math.isfinite(value)}
    return table


def _print(table: Mapping[str, Mapping[str, float]]) -> None:
    click.echo(f"\n{'':<22}{'req/s':>8}{'CPU ms':>9}{'p50 at 250':>12}{'p99 at 250':>12}   ratios to the first")
    for name, values in table.items():
        shown = [values.get(figure, math.nan) for figure in ("throughput", "cpu_ms", "p50_ms_at_250", "p99_ms_at_250")]
        ratios = [values.get(f"{figure}_ratio", math.nan) for figure in ("throughput", "cpu_ms", "cpu_ms_at_250")]
        click.echo(
            f"{name:<22}{shown[0]:>8.0f}{shown[1]:>9.3f}{shown[2]:>12.1f}{shown[3]:>12.1f}   "
            f"throughput {ratios[0]:.2f}, CPU {ratios[1]:.2f}, CPU at 250 {ratios[2]:.2f}"
        )


def _memory(stack: OwnStack, transactions: int) -> dict[str, Any]:
    say(f"Memory over {transactions:,} transactions")
    supply = stack.supply()
    progress = ProgressLine()
    with Redis.from_url(stack.state.env["REDIS_URL"]) as server:
        before = ServerCounters.read(server)
        readings = watch_memory(stack.platform, supply, stack.signer, transactions=transactions, progress=progress.show)
        done = readings[-1].transactions + STEP
        server_bytes = ServerCounters.read(server).since(before, done)
        server_bytes["decision_record_bytes"] = decision_record_bytes(server)
    progress.finish()
    click.echo("  Redis per transaction: " + ", ".join(f"{name} {value:,.0f}" for name, value in server_bytes.items()))
    growth = _growth(readings)
    for name, (first, last) in growth.items():
        click.echo(f"  {name:<10} {first:6.1f} MiB after warm-up, {last:6.1f} MiB at the end ({last / first - 1:+.1%})")
    return {
        "readings": [asdict(reading) for reading in readings],
        "redis_per_transaction": server_bytes,
        "growth": {name: last / first - 1 for name, (first, last) in growth.items()},
    }


def _growth(readings: Sequence[Reading]) -> dict[str, tuple[float, float]]:
    first, last = readings[0].resident_mib, readings[-1].resident_mib
    return {name: (first[name], last[name]) for name in first}
