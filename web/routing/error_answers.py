"""Answers exceptions as problems, with what this application knows beside the one table of `web.http.errors`."""

import logging
from dataclasses import replace

from werkzeug.exceptions import NotFound

from security.errors import RejectedError
from web.http import problems
from web.http.answers import HttpAnswer, problem_answer
from web.http.errors import RouteNotFoundError, problem_of
from web.http.exchange import Exchange
from web.http.problems import RETRY_AFTER, Problem
from web.http.refusals import explained
from web.protection.outages import Outages, spread
from web.routing.spelling import Spellings, path_of

log = logging.getLogger(__name__)


class ErrorAnswers:
    """Makes an answer of any exception, and logs those that nobody expected.

    Args:
        spellings: of all routes; names the one that somebody misspelt.
        outages: of this process; makes clients come again later the longer a route fails.
        explains: whether the answer says why a token or signature was refused. Only in development: elsewhere it would
            tell a forger what is still missing.
    """

    def __init__(self, spellings: Spellings, outages: Outages, *, explains: bool) -> None:
        self._spellings = spellings
        self._outages = outages
        self._explains = explains

    def __call__(self, error: Exception, exchange: Exchange) -> HttpAnswer:
        """Returns the answer to an exception."""
        if isinstance(error, NotFound) and exchange.route is None:
            error = RouteNotFoundError(self._spellings.meant(path_of(exchange.raw_uri)))
        problem = problem_of(error)
        if self._explains and isinstance(error, RejectedError):
            problem = replace(problem, detail=f"{problem.detail} {explained(error)}")
        if problem.kind.retryable:
            problem = self._hinting(problem, exchange)
        exchange.annotate(problem=problem.kind.name)
        if problem.kind is problems.INTERNAL:
            log.error("unexpected error", exc_info=error)
        return problem_answer(problem)

    def _hinting(self, problem: Problem, exchange: Exchange) -> Problem:
        """Returns the problem with a hint that differs from client to client."""
        soonest = float(problem.headers[RETRY_AFTER])
        fails = problem.kind.status >= 500  # the others are this client's alone, and no outage
        seconds = self._outages.hint(exchange.route or "", soonest) if fails else spread(soonest)
        return replace(problem, headers={**problem.headers, RETRY_AFTER: str(seconds)})
