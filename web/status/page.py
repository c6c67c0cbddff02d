"""The status page as HTML: complete when it arrives; `status.js` keeps it current, and without it the browser does."""

from html import escape
from typing import Final

from web.status.overview import Level, Overview, Section

REFRESH_SECONDS: Final = 5
_MARKS: Final = {Level.OK: "✓", Level.WARN: "!", Level.BAD: "✕", Level.INFO: ""}
_WORDS: Final = {Level.OK: "well", Level.WARN: "needs attention", Level.BAD: "not well", Level.INFO: ""}


def status_page(overview: Overview) -> bytes:
    """Returns the page."""
    return _document(
        f"Shrike: {overview.verdict}",
        f"<noscript><meta http-equiv='refresh' content='{REFRESH_SECONDS}'></noscript>"
        "<script src='/status/status.js' type='module'></script>",
        "<p class='stale' id='stale' role='alert' hidden></p>" + _main(overview),
    )


def sign_in_page() -> bytes:
    """Returns the page that a link leads to, and a visitor without one."""
    return _document(
        "Shrike: status",
        "<script src='/status/sign-in.js' type='module'></script>",
        "<main><section class='card entrance'><h1>Status</h1><p id='message' role='status'>This page is for "
        "administrators. <code>python -m ops status --open</code> prints a link that opens it once, within five "
        "minutes.</p><noscript><p>A link needs JavaScript, which takes the secret out of the address.</p></noscript>"
        "</section></main>",
    )


def _document(title: str, head: str, body: str) -> bytes:
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>"
        f"<title>{escape(title)}</title><link rel='icon' href='/docs/icon.svg' type='image/svg+xml'>"
        f"<link rel='stylesheet' href='/status/status.css'>{head}</head><body>"
        "<header class='bar'><img src='/docs/icon.svg' alt='' width='28' height='28'><b>Shrike</b>"
        f"<span class='soft'>status</span></header>{body}</body></html>"
    ).encode()


def _main(overview: Overview) -> str:
    findings = "".join(f"<li class='{finding.level}'>{escape(finding.sentence)}</li>" for finding in overview.findings)
    sections = "".join(_section(section) for section in overview.sections)
    return (
        f"<main id='status' data-refresh='{REFRESH_SECONDS}'><section class='verdict {overview.level}'>"
        f"<h1><span class='mark' aria-hidden='true'>{_MARKS[overview.level]}</span>{escape(overview.verdict)}</h1>"
        + (f"<ul>{findings}</ul>" if findings else "")
        + f"<p class='soft'>Seen <time data-at='{overview.at:.3f}'>just now</time>.</p>"
        f"</section><div class='grid'>{sections}</div></main>"
    )


def _section(section: Section) -> str:
    rows = "".join(
        f"<div class='row {row.level}'><dt>{escape(row.name)}</dt><dd>{escape(row.value)}{_mark(row.level)}</dd></div>"
        for row in section.rows
    )
    note = f"<p class='soft'>{escape(section.note)}</p>" if section.note else ""
    return f"<section class='card'><h2>{escape(section.title)}</h2><dl>{rows}</dl>{note}</section>"


def _mark(level: Level) -> str:
    """Returns the sign of a level, with its word for those who do not see it: colour alone says nothing to them."""
    if level is Level.INFO:
        return ""
    return f"<span class='mark' role='img' aria-label='{_WORDS[level]}'>{_MARKS[level]}</span>"
